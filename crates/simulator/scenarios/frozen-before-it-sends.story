# The master's process is slow, and is stopped for six seconds between the decision to advertise and the system call. When
# it goes on it is right there, and its advert is older than its lease: it must not leave, or the gate would open again
# before addresses that another one has taken.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease-always
node b priority 100 lease-always
hosts 1
seed 24
at 8s for 40s a is slow by 400ms
at 12318ms for 6s a freezes
at 25028ms for 6s a freezes
expect at 7s a is master
expect at 18s b is master
expect at 26s a is master
expect at 32s b is master
expect at 60s a is master
expect two holders for at most 0s
