package app

import (
	"strings"
	"testing"
)

func members(t *testing.T, e *env, g target) {
	double := func(h, name, value string) string {
		return `{"` + name + `":` + value + `,` + strings.TrimPrefix(h, "{")
	}
	for _, m := range [][2]string{{"alg", `"none"`}, {"alg", `"ES256"`}, {"alg", `"HS256"`}, {"ALG", `"none"`}, {"Alg", `"ES256"`}, {"typ", `"JWT"`}, {"Kid", `"x"`}, {"KID", `"x"`}, {"Crit", `["x"]`}} {
		g.refusedAt(t, e, "header with "+m[0], g.resign(t, e, func(h, p string) (string, string) { return double(h, m[0], m[1]), p }))
	}
	for _, m := range [][2]string{{"exp", "9999999999"}, {"EXP", "9999999999"}, {"gid", "1"}, {"Gid", "1"}, {"iat", "1"}, {"Iat", "1"}, {"Cap", "9999999999"}, {"IAT", "1"}} {
		if m[0] == "exp" && g.endless() {
			continue // it has none to double
		}
		g.refusedAt(t, e, "claim "+m[0]+" first", g.resign(t, e, func(h, p string) (string, string) { return h, double(p, m[0], m[1]) }))
		g.refusedAt(t, e, "claim "+m[0]+" last", g.resign(t, e, func(h, p string) (string, string) {
			return h, strings.TrimSuffix(p, "}") + `,"` + m[0] + `":` + m[1] + `}`
		}))
	}
	g.refusedAt(t, e, "an escaped duplicate", g.resign(t, e, func(h, p string) (string, string) { return h, double(p, `\u0067id`, "1") }))
	g.refusedAt(t, e, "text after the claims", g.resign(t, e, func(h, p string) (string, string) { return h, p + "{}" }))
	g.passesAt(t, e, "an unknown claim", func(good string) string {
		h, p, _ := parts(t, good)
		return e.sign(g.service, g.purpose, h, strings.TrimSuffix(p, "}")+`,"x":1}`)
	})
}

func bodyMembers(t *testing.T) {
	e := newEnv(t, nil)
	good := e.issue("samples", e.ada.ID).Refresh.Reveal()
	edi, pasta := e.ediPair("ecology")
	key := e.apiKey()
	for _, tc := range []struct{ name, path, body string }{
		{"refresh twice", "/webservices/refresh_token.php", `{"refresh":"x","refresh":"` + good + `"}`},
		{"refresh twice the same", "/webservices/refresh_token.php", `{"refresh":"` + good + `","refresh":"` + good + `"}`},
		{"Refresh too", "/webservices/refresh_token.php", `{"refresh":"` + good + `","Refresh":"x"}`},
		{"REFRESH alone", "/webservices/refresh_token.php", `{"REFRESH":"` + good + `"}`},
		{"escaped twice", "/webservices/refresh_token.php", `{"\u0072efresh":"x","refresh":"` + good + `"}`},
		{"Kelvin sign", "/auth/v1/key", "{\"\u212aey\":\"" + key + "\"}"},
		{"json api", "/api/auth/token/refresh/", `{"refresh":"x","refresh":"` + good + `"}`},
		{"blacklist", "/api/auth/token/blacklist/", `{"refresh":"` + good + `","REFRESH":"x"}`},
		{"edi-token twice", "/auth/v1/token/refresh", `{"pasta-token":null,"edi-token":"x","edi-token":"` + edi + `"}`},
		{"EDI-token", "/auth/v1/token/refresh", `{"pasta-token":null,"edi-token":"` + edi + `","EDI-token":"x"}`},
		{"pasta-token twice", "/auth/v1/token/refresh", `{"pasta-token":null,"edi-token":"` + edi + `","pasta-token":"` + pasta + `"}`},
		{"key twice", "/auth/v1/key", `{"key":"` + key + `","key":"` + key + `"}`},
		{"Key", "/auth/v1/key", `{"Key":"` + key + `"}`},
		{"service Key", "/auth/v1/token/EDI-x", `{"Key":"` + serviceKey + `"}`},
		{"query twice", "/service/Auth", `{"query":"{ __typename }","query":"{ __typename }"}`},
		{"Query", "/service/Auth", `{"query":"{ __typename }","Query":"x"}`},
		{"VARIABLES", "/service/Auth", `{"query":"{ __typename }","VARIABLES":{}}`},
		{"deep for collectiveaccess", "/service/Auth", `{"query":"{ __typename }","variables":` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + `}`},
		{"deep query", "/service/Auth", `{"query":"` + strings.Repeat("{ a ", 5000) + strings.Repeat("}", 5000) + `"}`},
		{"username twice", "/api/users/login", `{"username":"ada","username":"ada","password":"` + adaPassword + `"}`},
		{"Password", "/api/users/login", `{"username":"ada","password":"` + adaPassword + `","Password":"x"}`},
		{"deep for itempath", "/api/users/login", `{"username":"ada","password":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`},
		{"two objects", "/auth/v1/key", `{"key":"` + key + `"}{}`},
		{"deep", "/auth/v1/key", `{"key":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`},
		{"deep for sesar", "/webservices/refresh_token.php", `{"refresh":` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + `}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code := 400
			if tc.path == "/service/Auth" {
				code = 500 // so the old service answers to a query it cannot read
			}
			wantCode(t, e.do("POST", tc.path, tc.body, "Content-Type", "application/json"), code)
		})
	}
	wantCode(t, e.do("POST", "/webservices/refresh_token.php", "refresh=x&refresh="+good, "Content-Type", "application/x-www-form-urlencoded"), 400)
	wantCode(t, e.do("POST", "/webservices/refresh_token.php", `{"x":1,"refresh":"`+good+`"}`, "Content-Type", "application/json"), 200)
}
