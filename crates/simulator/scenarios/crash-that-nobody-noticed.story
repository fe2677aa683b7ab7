# The router process dies and is back at once with what its supervisor remembers: no failover.
network ipv4 vrrp3 multicast interval 1s
routers 2 with 2 addresses
node a priority 200
node b priority 100
hosts 1
seed 2
at 10s for 300ms a crashes and remembers
expect at 9s a is master
expect at 11s a is master
expect at 13s b is backup
expect two holders for at most 0s
