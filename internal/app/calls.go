package app

import (
	"fmt"
	"strings"

	"symbolon/internal/httpio"
)

// Call is one request as a person would make it.
type Call struct {
	Title  string
	Method string
	Path   string
	Header [][2]string
	Body   string
}

// Curl is the call as one line for a shell.
func (c Call) Curl(base string) string {
	words := []string{"curl"}
	if c.Method != "GET" {
		words = append(words, "-X", c.Method)
	}
	for _, h := range c.Header {
		words = append(words, "-H", quote(h[0]+": "+h[1]))
	}
	if c.Body != "" {
		words = append(words, "-d", quote(c.Body))
	}
	return strings.Join(append(words, quote(base+c.Path)), " ")
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func bearer(t string) [][2]string { return [][2]string{{"Authorization", "Bearer " + t}} }

var jsonBody = [2]string{"Content-Type", "application/json"}

// UseSamples asks SESAR who the access token is.
func UseSamples(access string) Call {
	return Call{"SESAR: use the access token", "GET", "/webservices/credentials_service_v2.php", bearer(access), ""}
}

// RefreshSamples presents a SESAR refresh token.
func RefreshSamples(refresh string) Call {
	return Call{"SESAR: refresh the pair", "POST", "/webservices/refresh_token.php", [][2]string{jsonBody}, `{"refresh":"` + refresh + `"}`}
}

// RevokeSamples ends every pair of the access token's owner.
func RevokeSamples(access string) Call {
	return Call{"SESAR: revoke all JWTs", "DELETE", "/api/auth/token/blacklist-all/", bearer(access), ""}
}

// RefreshEcology presents EDI's pair of tokens.
func RefreshEcology(pasta, edi string) Call {
	return Call{"EDI: refresh both tokens", "POST", "/auth/v1/token/refresh", nil, `{"pasta-token": "` + pasta + `", "edi-token": "` + edi + `"}`}
}

// ExchangeKey presents an API key to EDI.
func ExchangeKey(key string) Call {
	return Call{"EDI: tokens for an API key", "POST", "/auth/v1/key", nil, `{"key": "` + key + `"}`}
}

// WhoAmI uses an EDI token as its clients do, in a cookie.
func WhoAmI(edi string) Call {
	return Call{"EDI: use the token", "GET", "/auth/v1/whoami", [][2]string{{"Cookie", "edi-token=" + edi}}, ""}
}

// graphQL is a document, as a JSON body.
func graphQL(query string) string { return string(httpio.JSON(map[string]string{"query": query})) }

// LoginCollections signs in to CollectiveAccess.
func LoginCollections(name, password string) Call {
	return Call{"CollectiveAccess: sign in", "POST", "/service/Auth", [][2]string{jsonBody},
		graphQL(fmt.Sprintf("query { login(username: %q, password: %q) { jwt, refresh, user { id, fname, lname, email } } }", name, password))}
}

// RefreshCollections presents a CollectiveAccess refresh token.
func RefreshCollections(refresh string) Call {
	return Call{"CollectiveAccess: refresh", "POST", "/service/Auth", [][2]string{jsonBody},
		graphQL(fmt.Sprintf("query { refresh(token: %q) { jwt } }", refresh))}
}

// UseCollections uses a CollectiveAccess token as bearer.
func UseCollections(jwt string) Call {
	return Call{"CollectiveAccess: use the token", "GET", "/service/whoami", bearer(jwt), ""}
}

// QueryCollections uses a CollectiveAccess token as query parameter.
func QueryCollections(jwt string) Call {
	return Call{"CollectiveAccess: use it as a query parameter", "GET", "/service/whoami?jwt=" + jwt, nil, ""}
}

// LoginWarehouse signs in to ItemPath.
func LoginWarehouse(name, password string) Call {
	return Call{"ItemPath: sign in", "POST", "/api/users/login", [][2]string{jsonBody},
		string(httpio.JSON(httpio.Object{{Name: "username", Value: name}, {Name: "password", Value: password}}))}
}

// UseWarehouse uses an ItemPath access or application token.
func UseWarehouse(access string) Call {
	return Call{"ItemPath: use the access token", "GET", "/api/stations", bearer(access), ""}
}

// RefreshWarehouse presents an ItemPath refresh token.
func RefreshWarehouse(refresh string) Call {
	return Call{"ItemPath: refresh", "POST", "/api/users/refresh", bearer(refresh), ""}
}

// MakeApplicationToken asks ItemPath for a token without an end.
func MakeApplicationToken(refresh string) Call {
	return Call{"ItemPath: an application token", "POST", "/api/users/application-token", append([][2]string{jsonBody}, bearer(refresh)...), ""}
}

// Calls are the printed lines, in an order in which each of them succeeds. Signing in
// is among them only while the password is known.
func (d Demo) Calls() []Call {
	access, edi, key := d.Samples.Access.Reveal(), d.Ecology.Access.Reveal(), d.Key.Reveal()
	calls := []Call{
		UseSamples(access),
		{"SESAR: who am I, in the JSON API", "GET", "/api/auth/user/", bearer(access), ""},
		RefreshSamples(d.Samples.Refresh.Reveal()),
		{"SESAR: another pair, with an API key", "POST", "/api/auth/token/", bearer(key), ""},
		WhoAmI(edi),
		RefreshEcology(d.Pasta, edi),
		ExchangeKey(key),
	}
	if password := d.Password(DemoPerson); password != "" {
		calls = append(calls, LoginCollections(DemoPerson, password), LoginWarehouse(DemoPerson, password))
	}
	jwt := d.Collections.Access.Reveal()
	return append(calls,
		UseCollections(jwt), QueryCollections(jwt), RefreshCollections(d.Collections.Refresh.Reveal()),
		UseWarehouse(d.Warehouse.Access.Reveal()), RefreshWarehouse(d.Warehouse.Refresh.Reveal()),
		MakeApplicationToken(d.Machine.Refresh.Reveal()),
		RevokeSamples(access))
}
