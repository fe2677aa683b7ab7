# Two that know each other by heartbeat, and of nobody else: when one ends, the other waits a millisecond instead of its
# skew time, which would be six tenths of a second. Nobody holds while the one gives and the other takes.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease heartbeats
node b priority 100 lease heartbeats
hosts 1
seed 4
at 10s for 10s a shuts down
expect at 9s a is master
expect at 10002ms b is master
expect two holders for at most 0s
