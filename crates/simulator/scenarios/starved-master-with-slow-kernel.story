# The master stands still for longer than its lease, and its kernel is so slow (somebody holds the lock of rtnetlink, or
# all of the process is starved) that the orders to take its addresses off are not carried out when it preempts. It waits
# for that: its first advert would open the gate before addresses that the other one answers for. If the other one falls
# silent meanwhile there is nothing to wait for.
network ipv4 vrrp3 multicast interval 100ms
routers 1 with 2 addresses
node a priority 200 lease-always
node b priority 100 lease-always
hosts 1
seed 4
at 9s for 12s kernel of a is slow by 2s
at 10s for 2s a freezes
at 30s for 20s kernel of a is slow by 9s
at 31s for 2s a freezes
at 34s for 2s b freezes
expect at 8s a is master
expect at 11s b is master
expect at 29s a is master
expect at 32s b is master
expect at 35s a is master
expect two holders for at most 0s
