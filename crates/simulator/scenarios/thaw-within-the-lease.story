# A standstill shorter than the lease changes nothing, and is seen by nobody.
network ipv4 vrrp3 unicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease-always
node b priority 100 lease-always
hosts 1
seed 3
at 10s for 1400ms a freezes
expect at 12s a is master
expect at 14s a is master
expect two holders for at most 0s
