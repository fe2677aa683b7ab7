# The kernel gives the master one of its two addresses, and refuses the other one for longer than the first try lasts.
# That is no fault, and not for ever: a minute after the refusal has ended, the second address is there as well.
network ipv4 vrrp3 multicast interval 1s
routers 1 with 2 addresses
node a priority 200
node b priority 100
hosts 1
seed 21
at 5s for 5s a reloads with fewer addresses
at 9s for 40s kernel of a refuses addresses
expect at 12s a is master
expect at 60s a is master
expect two holders for at most 0s
