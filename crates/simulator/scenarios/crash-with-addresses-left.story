# The process dies, its addresses stay, and it is away long enough for the backup to take over.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200
node b priority 100
hosts 1
seed 3
at 10s for 20s a crashes and forgets
expect at 14s b is master
expect at 36s a is master
expect two holders for at least 16s
expect two holders for at most 18s
