# SOX, section 404: separation of duties. Whoever prepares a financial posting may not approve it.
#
# Data: `data.postings[id].prepared_by` = {"home": region, "iss": issuer, "sub": subject}. A record without `iss` is
# compared by home and subject alone, and so is a question without one: what is missing never tells two people apart.
package regimes.sox

finding := judgement if {
	input.resource.type == "route"
	input.resource.id == "/v1/postings/{id}/approve"
	input.action.name == "POST"
}

# The first case that holds decides.
judgement := deny(
	"SOX: the question lacks an identity with a home region, or the posting's id",
	"This request cannot be judged.",
) if {
	not judgeable
} else := deny(sprintf("SOX: no record of posting %s", [id]), "There is no such posting.") if {
	not posting
} else := deny(
	sprintf("SOX: no record of who prepared posting %s", [id]),
	"This posting cannot be approved yet.",
) if {
	not prepared
} else := deny(
	sprintf("SOX: %s of %s prepared posting %s and may not approve it", [preparer.sub, preparer.home, id]),
	"You prepared this posting: somebody else has to approve it.",
) if {
	same_person
} else := allow(
	sprintf(
		"SOX: %s of %s prepared posting %s, and %s of %s approves it",
		[preparer.sub, preparer.home, id, input.subject.id, input.subject.properties.home],
	),
	"You did not prepare this posting: you may approve it.",
) if {
	not same_person
}

judgeable if {
	input.subject.type == "identity"
	is_string(input.subject.properties.home)
	is_string(id)
}

id := input.resource.properties.captures.id

posting := data.postings[id]

preparer := posting.prepared_by

prepared if {
	is_string(preparer.sub)
	is_string(preparer.home)
}

same_person if {
	preparer.sub == input.subject.id
	preparer.home == input.subject.properties.home
	not other_issuer
}

other_issuer if {
	is_string(preparer.iss)
	is_string(input.subject.properties.iss)
	preparer.iss != input.subject.properties.iss
}

# Each approval is judged by itself: none is remembered.
allow(admin, user) := {"allow": true, "admin": admin, "user": user, "ttl": 0}

deny(admin, user) := {"allow": false, "admin": admin, "user": user, "ttl": 0}
