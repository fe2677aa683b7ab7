# The master's process stands still. Its lease is over half an interval before the backup takes over: nobody sees two
# holders. When it thaws it is a backup before anything else, and preempts without a moment of two holders either.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease-always
node b priority 100 lease-always
hosts 2
seed 1
at 10s for 6s a freezes
expect at 5s a is master
expect at 14s b is master
expect at 17s b is master
expect at 21s a is master
expect two holders for at most 0s
