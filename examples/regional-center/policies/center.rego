# What the center answers: one decision from the findings of all regimes.
#
# A regime is a package with a rule `finding`, undefined where the regime has nothing to say about the question, else
#     {"allow": bool, "admin": reason with facts, "user": reason without, "ttl": seconds the decision may be remembered}
# A further regime is a further file and a line here.
package center

findings contains data.regimes.gdpr.finding

findings contains data.regimes.sox.finding

denials contains finding if {
	some finding in findings
	not finding.allow
}

# What no regime speaks for is denied. A single denial decides, whatever else allows.
answer := {
	"decision": false,
	"reason_admin": sprintf("no policy allows %s on %s", [input.action.name, input.resource.id]),
	"reason_user": "No policy allows this.",
	"ttl": 10,
} if {
	count(findings) == 0
} else := combined(denials, false) if {
	count(denials) > 0
} else := combined(findings, true)

# All that decided give their reasons, in the order of the set, which is sorted: the same question gives the same text.
# What may be remembered the shortest bounds the whole.
combined(judged, decision) := {
	"decision": decision,
	"reason_admin": concat("; ", [finding.admin | some finding in judged]),
	"reason_user": concat(" ", [finding.user | some finding in judged]),
	"ttl": min([finding.ttl | some finding in judged]),
}
