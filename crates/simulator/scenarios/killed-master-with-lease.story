# kill -9 of the master and of whoever would restart it: its addresses stay in the kernel, and the gate before them closes.
network ipv6 vrrp3 multicast interval 100ms
routers 2 with 2 addresses
node a priority 200 lease-always
node b priority 100 lease-always
hosts 1
seed 2
at 10s for 20s a crashes and forgets
expect at 5s a is master
expect at 11s b is master
expect at 35s a is master
expect two holders for at most 0s
