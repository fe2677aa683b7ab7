# Shutdown hands over with priority 0, within the skew time and without a second holder.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 3 addresses
node a priority 200
node b priority 100 nopreempt
hosts 1
seed 7
at 10s for 10s a shuts down
expect at 10900ms b is master
expect at 19s b is master
expect at 25s a is master
expect two holders for at most 20ms
