# A polite end: priority 0 closes the gate at once, and the backup follows without a moment of two holders.
network ipv4 vrrp3 unicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease
node b priority 100 lease
hosts 1
seed 4
at 10s for 10s a shuts down
expect at 9s a is master
expect at 11s b is master
expect at 30s a is master
expect two holders for at most 0s
