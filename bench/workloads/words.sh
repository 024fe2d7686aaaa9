# SPDX-License-Identifier: Apache-2.0
f() { case $1 in *7*) n=$((n+1));; *) m=$((m+${#1}));; esac; }
n=0 m=0 i=0 text=
while [ $i -lt 200000 ]; do
    word="w$((i * 7919 % 1000))x"; f "${word#w}"
    text="${word%x}"; i=$((i+1))
done
set -- a b c d e f g h
for x in "$@"; do for y in "$@"; do for z in "$@"; do m=$((m + ${#x} + ${#y}${#z})); done; done; done
echo $n $m $text
