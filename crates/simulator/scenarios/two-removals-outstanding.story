# The master stands still twice, and its kernel is so slow that the orders to take the address off, to add it again (the
# other one stood still as well meanwhile) and to take it off once more all wait behind each other. It preempts when the
# last of them has been carried out, not when the first has.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 1 addresses
node a priority 200 lease-always
node b priority 100 lease-always
hosts 1
seed 3
at 9s for 14s kernel of a is slow by 60s
at 10s for 3s a freezes
at 15500ms for 4s b freezes
at 21s for 3s a freezes
at 23s for 60s kernel of a is slow by 300ms
at 25s for 60s a is slow by 400ms
expect at 9s a is master
expect at 15s b is master
expect at 20s a is master
expect at 29s b is master
expect at 100s a is master
expect two holders for at most 0s
