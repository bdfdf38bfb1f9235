package itempath

import (
	"net/http"
	"strings"
)

// The faults of an Authorization header.
var (
	noHeader  = refusal{status: http.StatusUnauthorized, msg: "Missing Authorization Header"}
	noBearer  = refusal{status: http.StatusUnauthorized, msg: "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'"}
	badHeader = refusal{status: http.StatusUnprocessableEntity, msg: "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'"}
)

// bearer finds the token as the library does: of the header's parts between commas,
// exactly one must begin with the word Bearer, and have one word after it. Several
// headers count as one. The refusal is zero when there is a token; it is not looked at.
func bearer(header http.Header) (string, refusal) {
	value := strings.Join(header.Values("Authorization"), ",")
	var found [][]string
	empty := true
	for part := range strings.SplitSeq(value, ",") {
		words := strings.Fields(part)
		empty = empty && len(words) == 0
		if len(words) > 0 && words[0] == "Bearer" {
			found = append(found, words)
		}
	}
	switch {
	case empty:
		return "", noHeader
	case len(found) != 1:
		return "", noBearer
	case len(found[0]) != 2:
		return "", badHeader
	}
	return found[0][1], refusal{}
}
