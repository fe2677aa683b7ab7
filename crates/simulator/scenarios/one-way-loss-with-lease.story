# A lease does not help against one-way loss on the only path: both are alive, and their adverts leave in time.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease-always
node b priority 100 lease-always
hosts 1
seed 5
at 10s for 10s b does not hear a
expect at 15s a is master
expect at 15s b is master
expect at 22s b is backup
expect two holders for at least 6s
