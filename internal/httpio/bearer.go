package httpio

import (
	"errors"
	"net/http"
	"strings"
)

const maxBearer = 16 << 10

// What can be wrong with an Authorization header, apart from the token in it.
var (
	ErrNoHeader    = errors.New("no Bearer authorization header")
	ErrManyHeaders = errors.New("more than one Authorization header")
	ErrBearerForm  = errors.New("authorization header is not Bearer and one token")
	ErrBearerLong  = errors.New("bearer token is longer than 16 KiB")
)

// Bearer returns the token of the Authorization header (RFC 6750 §2.1). The scheme is
// matched with its case; an absent, empty or other one is ErrNoHeader. It does not
// look at the token.
func Bearer(header http.Header) (string, error) {
	values := header.Values("Authorization")
	if len(values) > 1 {
		return "", ErrManyHeaders
	}
	if len(values) == 0 {
		return "", ErrNoHeader
	}
	scheme, rest := word(values[0])
	if scheme != "Bearer" {
		return "", ErrNoHeader
	}
	token, rest := word(rest)
	extra, _ := word(rest)
	switch {
	case token == "" || extra != "":
		return "", ErrBearerForm
	case len(token) > maxBearer:
		return "", ErrBearerLong
	}
	return token, nil
}

// word cuts the first word off s; it allocates nothing, whatever s is made of.
func word(s string) (first, rest string) {
	const blanks = " \t\r\n\v\f"
	s = strings.TrimLeft(s, blanks)
	end := len(s)
	for i := range len(blanks) { // six looks for one byte are faster than one for any of six
		if at := strings.IndexByte(s[:end], blanks[i]); at >= 0 {
			end = at
		}
	}
	return s[:end], s[end:]
}
