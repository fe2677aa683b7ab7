# The backup does not hear the master on the link of the adverts, but hears it on the second one: nothing happens.
network ipv4 vrrp3 multicast interval 1s
second link multicast
routers 1 with 1 addresses
node a priority 200 lease heartbeats
node b priority 100 lease heartbeats
hosts 1
seed 5
at 10s for 10s b does not hear a
expect at 15s a is master
expect at 15s b is backup
expect at 22s b is backup
expect two holders for at most 0s
