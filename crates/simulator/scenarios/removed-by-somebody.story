# systemd-networkd restarts and takes our address away: it is put back, and nobody takes over.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 2 addresses
node a priority 200
node b priority 100
hosts 1
seed 9
at 10s for 0s somebody removes addresses of a
expect at 11s a is master
expect at 15s b is backup
expect two holders for at most 0s
