# A partition makes two masters; the heal ends it within one advert interval.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 150
node b priority 100
node c priority 50
hosts 2
seed 6
at 10s for 20s a is cut off
expect at 15s b is master
expect at 15s a is master
expect at 32s a is master
expect at 32s b is backup
expect two holders for at least 15s
