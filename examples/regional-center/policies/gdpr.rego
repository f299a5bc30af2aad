# GDPR, chapter V: personal data of a person in the EU stays in EU regions, unless that person consented to the transfer
# (article 49(1)(a)) or a contract with or for that person needs it (article 49(1)(b) and (c)).
#
# Which methods are allowed at all is the business of the enforcement point's policy: here each use of the data counts as
# a transfer to whoever asks.
#
# Data: `data.profiles[id]` = {"residency": region, "consent": [region, …], "contract": [region, …]}, where the lists name
# the regions that the consent or the contract covers, and `data.regions[region]` = {"eu": bool}.
package regimes.gdpr

templates := {"/v1/profiles/{id}", "/v1/profiles/{id}/export"}

finding := judgement if {
	input.resource.type == "route"
	input.resource.id in templates
}

# The first case that holds decides.
judgement := deny(
	"GDPR: the question lacks an identity with a home region, the local region or the profile's id",
	"This request cannot be judged.",
) if {
	not judgeable
} else := deny(sprintf("GDPR: no record of profile %s", [id]), "There is nothing here that you may see.") if {
	not record
} else := deny(
	sprintf("GDPR: the residency of profile %s is not a known region", [id]),
	"This data cannot be given out.",
) if {
	not data.regions[record.residency]
} else := allow(
	sprintf("GDPR: profile %s resides in %s, outside the EU", [id, record.residency]),
	"This data may go where it is asked for.",
) if {
	data.regions[record.residency].eu == false
} else := allow(
	sprintf("GDPR: profile %s resides in %s and stays in the EU", [id, record.residency]),
	"This data stays in the EU.",
) if {
	count(outside) == 0
} else := deny(
	sprintf(
		"GDPR: profile %s resides in %s and may not go to %s: neither consent nor contract",
		[id, record.residency, listed(uncovered)],
	),
	"This data may not leave the EU without consent or a contract.",
) if {
	count(uncovered) > 0
} else := allow(
	sprintf(
		"GDPR: profile %s resides in %s and may go to %s: consent or contract",
		[id, record.residency, listed(outside)],
	),
	"This transfer is covered by consent or a contract.",
) if {
	count(uncovered) == 0
}

judgeable if {
	input.subject.type == "identity"
	is_string(input.subject.properties.home)
	is_string(input.context.local)
	is_string(id)

	# An unknown source region is absent; a malformed one is not taken for unknown.
	source := object.get(input.context, "source", {})
	is_object(source)
	is_string(object.get(source, "region", ""))
}

id := input.resource.properties.captures.id

record := data.profiles[id]

# Whose region would receive the data: where the resource stands, the home of whoever asks, and where the request comes
# from. That last one counts where it is known: to require a known one is the business of the enforcement point's policy.
recipients contains input.context.local

recipients contains input.subject.properties.home

recipients contains input.context.source.region

# A region that the data does not list is not in the EU.
outside contains region if {
	some region in recipients
	not data.regions[region].eu
}

uncovered contains region if {
	some region in outside
	not region in record.consent
	not region in record.contract
}

# Consent can be withdrawn and given: an allow is remembered for a minute, a deny for less.
allow(admin, user) := {"allow": true, "admin": admin, "user": user, "ttl": 60}

deny(admin, user) := {"allow": false, "admin": admin, "user": user, "ttl": 10}

listed(regions) := concat(", ", regions)
