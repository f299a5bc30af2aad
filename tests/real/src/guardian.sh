# Ends process groups when whoever wrote their ids to our input is gone, however it went. Lines: `+ ID` to guard, `- ID` to forget.
trap '' HUP INT TERM
groups=
while read -r sign group; do
    kept=
    for other in $groups; do
        [ "$other" = "$group" ] || kept="$kept $other"
    done
    groups=$kept
    [ "$sign" = - ] || groups="$groups $group"
done
for group in $groups; do
    kill -s KILL -- "-$group" 2>/dev/null
done
