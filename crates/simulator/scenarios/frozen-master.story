# The master's process stands still while its kernel goes on answering. The backup takes over: two holders, which plain
# VRRP cannot prevent. When the old master wakes up it reads before it speaks, finds itself outranking, and takes back.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200
node b priority 100
hosts 2
seed 1
at 10s for 6s a freezes
expect at 5s a is master
expect at 14s b is master
expect at 17s a is master
expect at 17s b is backup
expect two holders for at least 2s
expect two holders for at most 3500ms
