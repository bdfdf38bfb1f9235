package config

import "testing"

func TestGatewayIsChecked(t *testing.T) {
	got := refusals(t, `services:
  - name: a
    dialect: sesar
    path: /a
    upstream: http://127.0.0.1:9000/app
    protect: [/data, data/, /symbolon/verify]
    upstream_token: mint
    upstream_timeout: 0
    identity_headers: {accounts: X-User, account: X_User, name: Cookie, groups: X-Forwarded-Groups, scope: x-auth-grant}
    rules:
      - path: /data
        methods: [get]
        who: anyone
      - path: /data/in
        who: anonymous
        groups: [a]
        scope: ["a b"]
      - path: /data/in/deep
        remaining: 1h
      - {path: /x, method: GET}
  - name: b
    dialect: collectiveaccess
    path: /
    upstream: http://127.0.0.1:8080
    protect: [/data]
    upstream_token: mint
  - {name: c, dialect: itempath, path: /c, protect: [/c], upstream_token: mint}
  - {name: d, dialect: itempath, path: /d, upstream: "127.0.0.1:9", protect: [/d], upstream_token: drop}
`)
	want := `c.yaml:5: upstream must be http:// or https://, a host and perhaps a port, with nothing after them; write it like http://127.0.0.1:9000
c.yaml:6: protect: "data/" is not a plain prefix; write it like /data, with no slash at the end, or / for all
c.yaml:6: protect: "/symbolon/verify" is reserved for Symbolon's own pages; choose another
c.yaml:7: upstream_token mint is not for sesar, whose servers verify the users' own tokens; set pass or none
c.yaml:8: upstream_timeout 0s is out of range; set more than 0 and at most 3650d, such as 1d
c.yaml:9: identity_headers: "X_User" is no header for account; use letters, digits and single hyphens, such as X-Remote-User
c.yaml:12: methods: "get" is no method; write it in capitals, such as GET
c.yaml:13: who "anyone" is not known; set anonymous or authenticated
c.yaml:15: who is anonymous, so groups, scope and remaining are not looked at; remove them, or set who: authenticated
c.yaml:17: scope: "a b" is no single word; list the words one by one, such as [read, write]
c.yaml:18: the rule for /data/in/deep is never reached, because the rule for /data/in before it decides first; put the narrower one first
c.yaml:20: unknown key "method"; did you mean methods?
c.yaml:24: upstream http://127.0.0.1:8080 is this server itself; name the one behind it
c.yaml:25: services "a" and "b" both protect /data; give it to one of them
c.yaml:26: upstream_token mint needs graphql_services_jwt_token_key_file, the key that the server behind verifies with; set both
c.yaml:27: upstream and protect belong together: the server behind, and the paths that lead to it; set both or none
c.yaml:27: upstream_token mint needs jwt_secret_key_file, the key that the server behind verifies with; set both
c.yaml:28: upstream must be http:// or https://, a host and perhaps a port, with nothing after them; write it like http://127.0.0.1:9000
c.yaml:28: upstream_token "drop" is not known; set pass or mint or none`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Each of these names is refused for what it means already, or because another field has it.
func TestIdentityHeaderNames(t *testing.T) {
	for text, want := range map[string]string{
		"{account: Remote-User}":        "",
		"{accounts: X-User}":            `c.yaml:2: identity_headers has no "accounts"; name some of account, subject, name, identities, groups, scope, grant, expires`,
		"{account: X_User}":             `c.yaml:2: identity_headers: "X_User" is no header for account; use letters, digits and single hyphens, such as X-Remote-User`,
		"{name: cookie}":                `c.yaml:2: identity_headers: "cookie" has another meaning already; give name a header of its own, such as X-Remote-User`,
		"{name: X-Forwarded-Groups}":    `c.yaml:2: identity_headers: "X-Forwarded-Groups" has another meaning already; give name a header of its own, such as X-Remote-User`,
		"{scope: x-auth-grant}":         `c.yaml:2: identity_headers gives scope and grant the same name; give each its own`,
		"{name: X-User, scope: x-user}": `c.yaml:2: identity_headers gives name and scope the same name; give each its own`,
	} {
		text := "services:\n  - {name: a, dialect: sesar, path: /a, identity_headers: " + text + "}\n"
		if _, err := load(t, text); want == "" && err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if want != "" {
			if got := refusals(t, text); got != want {
				t.Errorf("%s: got %s, want %s", text, got, want)
			}
		}
	}
}
