# keepalived sends before it reads when it wakes up; a Mainstay backup that took over answers at once.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 100
node b priority 200 like keepalived-2.4.3
hosts 1
seed 10
at 10s for 6s b freezes
expect at 14s a is master
expect at 18s b is master
expect at 18s a is backup
expect two holders for at most 3500ms
