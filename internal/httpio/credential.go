package httpio

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Credential is a text that a request presents to use a service. At most one of Key and Person is set.
type Credential struct {
	Text   string
	Key    bool    // an API key rather than a token
	Person *Person // the text is a token that names a person rather than a grant
}

// Person is whom such a token names, once its signature has been checked.
type Person struct {
	ID   string    // the service's own id for the account
	Name string    // as the token calls it
	Ends time.Time // of the token
	// CutOff reports whether the token may have been made before the person's tokens were ended at an instant, or by a
	// server that had not heard of it, as all had by another.
	CutOff func(at, heard time.Time) bool
}

// Places are where a wire's users put a token, besides the Authorization header.
type Places struct {
	Params  []string // of the query
	Cookies []string
}

// ErrAmbiguous says that a parameter or cookie comes twice with different values.
var ErrAmbiguous = errors.New("a parameter or cookie for tokens is given twice")

// Param returns the value of a parameter in a raw query, "" when it has none. Only this parameter is
// decoded; the rest may have any form. Two different values are ErrAmbiguous.
func Param(query, name string) (string, error) {
	var values []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if !sameParam(key, name) {
			continue
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			return "", ErrForm
		}
		values = append(values, value)
	}
	return one(values)
}

func sameParam(key, name string) bool {
	if len(key) > 3*len(name) {
		return false
	}
	plain, err := url.QueryUnescape(key)
	return err == nil && plain == name
}

func one(values []string) (string, error) {
	for _, v := range values {
		if v != values[0] {
			return "", ErrAmbiguous
		}
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

// CookieOnce returns the value of a cookie without surrounding double quotes, "" when there is none.
// Two different values are ErrAmbiguous.
func CookieOnce(header http.Header, name string) (string, error) {
	var values []string
	for _, c := range (&http.Request{Header: header}).CookiesNamed(name) {
		values = append(values, c.Value)
	}
	return one(values)
}

// Strip returns the raw query without the parameters, each other pair as it was sent.
func (p Places) Strip(query string) string {
	if len(p.Params) == 0 || query == "" {
		return query
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if !p.hasParam(key) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}

func (p Places) hasParam(key string) bool {
	for _, name := range p.Params {
		if sameParam(key, name) {
			return true
		}
	}
	return false
}

// StripHeader takes the Authorization header and the cookies out of h. A piece of the Cookie header that
// merely contains such a name goes too: other programs cut that header otherwise.
func (p Places) StripHeader(h http.Header) {
	h.Del("Authorization")
	if len(p.Cookies) == 0 || len(h["Cookie"]) == 0 {
		return
	}
	var kept []string
	for _, line := range h["Cookie"] {
		for piece := range strings.SplitSeq(line, ";") {
			if piece = strings.Trim(piece, " \t"); piece != "" && !p.mentionsCookie(piece) {
				kept = append(kept, piece)
			}
		}
	}
	h.Del("Cookie")
	if len(kept) > 0 {
		h.Set("Cookie", strings.Join(kept, "; "))
	}
}

func (p Places) mentionsCookie(piece string) bool {
	piece = strings.ToLower(piece)
	for _, name := range p.Cookies {
		if strings.Contains(piece, name) {
			return true
		}
	}
	return false
}

// AddCookie puts one more cookie at the end of the Cookie header; name and value are plain.
func AddCookie(h http.Header, name, value string) {
	pair := name + "=" + value
	if have := h.Get("Cookie"); have != "" {
		pair = have + "; " + pair
	}
	h.Set("Cookie", pair)
}
