//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"symbolon/e2e/load"
)

// held is what a client holds of one grant.
type held struct {
	access, refresh, pasta string // refresh is the access token itself at EDI
	before                 string // the refresh token before, where they rotate
	grant                  int64
}

// wire is one dialect as a client sees it.
type wire struct {
	service string
	rotates bool
	byKey   bool // begins with an API key, else with the password
	begin   func(name, key string) []byte
	renew   func(h held, retryKey string) []byte
	read    func(h held, body []byte) held // what an answer to either gives
	uses    func(h held) [][]byte
	ended   []int // statuses of what has ended
}

// lives is how long the access token, and what refreshes it, is good, by what they say themselves.
func (h held) lives() (access, whole time.Time) {
	return time.Unix(claimsOf(h.access).Expires, 0), time.Unix(claimsOf(h.refresh).Expires, 0)
}

func bearer(token string) string { return "Authorization: Bearer " + token }

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of texts alone
	}
	return string(b)
}

const jsonType = "application/json"

func verifyAt(service, header string) []byte { return load.Get("/symbolon/verify/"+service, header) }

func pair(h held, body []byte, access, refresh string) held {
	h.before = h.refresh
	h.access = member(body, access)
	if r := member(body, refresh); r != "" {
		h.refresh = r
	}
	h.grant = claimsOf(h.access).Grant
	return h
}

func graphQL(format string, args ...any) string {
	return asJSON(map[string]string{"query": fmt.Sprintf(format, args...)})
}

var wires = []wire{{
	service: "samples", rotates: true, byKey: true,
	begin: func(name, key string) []byte { return load.Post("/api/auth/token/", jsonType, "", bearer(key)) },
	renew: func(h held, retryKey string) []byte {
		body := asJSON(map[string]string{"refresh": h.refresh})
		if retryKey == "" {
			return load.Post("/webservices/refresh_token.php", jsonType, body)
		}
		return load.Post("/webservices/refresh_token.php", jsonType, body, "Idempotency-Key: "+retryKey)
	},
	read: func(h held, body []byte) held { return pair(h, body, "access", "refresh") },
	uses: func(h held) [][]byte {
		return [][]byte{load.Get("/webservices/credentials_service_v2.php", bearer(h.access)), verifyAt("samples", bearer(h.access))}
	},
	ended: []int{http.StatusUnauthorized},
}, {
	service: "ecology", byKey: true,
	begin: func(name, key string) []byte {
		return load.Post("/auth/v1/key", jsonType, asJSON(map[string]string{"key": key}))
	},
	renew: func(h held, _ string) []byte {
		both := map[string]any{"pasta-token": nil, "edi-token": h.access}
		if h.pasta != "" { // there is none soon after a cut-off, where a short-lived key would end it before that has passed
			both["pasta-token"] = h.pasta
		}
		return load.Post("/auth/v1/token/refresh", jsonType, asJSON(both))
	},
	read: func(h held, body []byte) held {
		h = pair(h, body, "edi-token", "edi-token")
		h.pasta = member(body, "pasta-token")
		return h
	},
	uses: func(h held) [][]byte {
		return [][]byte{load.Get("/auth/v1/whoami", "Cookie: edi-token="+h.access), verifyAt("ecology", "Cookie: edi-token="+h.access)}
	},
	ended: []int{http.StatusUnauthorized},
}, {
	service: "collections",
	begin: func(name, key string) []byte {
		return load.Post("/service/Auth", jsonType, graphQL("{ login(username: %q, password: %q) { jwt refresh } }", name, password))
	},
	renew: func(h held, _ string) []byte {
		return load.Post("/service/Auth", jsonType, graphQL("{ refresh(token: %q) { jwt } }", h.refresh))
	},
	read: func(h held, body []byte) held { return pair(h, body, "jwt", "refresh") },
	uses: func(h held) [][]byte {
		return [][]byte{load.Post("/service/Auth", jsonType, graphQL("{ validate(jwt: %q) { id username } }", h.access)),
			load.Get("/service/whoami", bearer(h.access)), verifyAt("collections", bearer(h.access))}
	},
	// 500 is this wire's word for a token that is not good, 401 for one past its end.
	ended: []int{http.StatusInternalServerError, http.StatusUnauthorized},
}, {
	service: "warehouse",
	begin: func(name, key string) []byte {
		return load.Post("/api/users/login", jsonType, asJSON(map[string]string{"username": name, "password": password}))
	},
	renew: func(h held, _ string) []byte { return load.Post("/api/users/refresh", jsonType, "", bearer(h.refresh)) },
	read:  func(h held, body []byte) held { return pair(h, body, "accessToken", "refreshToken") },
	uses: func(h held) [][]byte {
		return [][]byte{load.Get("/api/stations", bearer(h.access)), verifyAt("warehouse", bearer(h.access))}
	},
	ended: []int{http.StatusUnauthorized},
}}
