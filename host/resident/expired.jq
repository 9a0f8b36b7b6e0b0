# Which restore points a server need not keep: {now: seconds since 1970, tiers: {TIER: {keepSeconds, atLeast}}, points: [{id, good}]} to
# {expired: [ids], doubt: why nothing is removed, or null}.
# One goes when it is older than its tier keeps them, and as many newer good ones of the tier are there as are made in that time. So a
# clock that is wrong by a year removes no more than a right one, a tier never loses its newest good ones, and a tier that says nothing of that, such
# as manual, loses none.
def at: capture("/(?<Y>\\d{4})(?<m>\\d\\d)(?<d>\\d\\d)T(?<H>\\d\\d)(?<M>\\d\\d)(?<S>\\d\\d)Z$") | "\(.Y)-\(.m)-\(.d)T\(.H):\(.M):\(.S)Z" | fromdateiso8601;
. as $in
| [.points[] | {id, good, tier: (.id | split("/")[0]), at: (.id | at)}] as $points
| ([$points[] | select(.at > $in.now + 3600)] | max_by(.at)) as $ahead
| if $ahead != null then {expired: [], doubt: "\($ahead.id) is of a time that is yet to come: this server's clock is wrong, or was"}
  else
    {
      expired: [
        $points[] as $point
        | $in.tiers[$point.tier] // empty
        | select(.keepSeconds != null)
        | select($in.now - $point.at > .keepSeconds)
        | .atLeast as $atLeast
        | select(([$points[] | select(.tier == $point.tier and .good and .at > $point.at)] | length) >= $atLeast)
        | $point.id
      ],
      doubt: null
    }
  end
