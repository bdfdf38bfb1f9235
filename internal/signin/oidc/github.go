package oidc

import (
	"context"
	"regexp"
	"strconv"

	"golang.org/x/oauth2"
)

// gitHub speaks OAuth 2 alone: it has no ID token and no metadata for it, so whom a code
// is about is asked with the access token. State, PKCE and a redirect address of its own
// bind the answer.
var gitHub = &metadata{
	issuer: "https://github.com/login/oauth", // by which it calls itself where it does (RFC 9207)
	endpoint: oauth2.Endpoint{AuthURL: "https://github.com/login/oauth/authorize", TokenURL: "https://github.com/login/oauth/access_token",
		AuthStyle: oauth2.AuthStyleInParams},
	scopes:   []string{"read:user"},
	userinfo: "https://api.github.com/user",
}

// gitHubLogin is what GitHub lets people call themselves.
var gitHubLogin = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// gitHubPerson asks who an access token is for. The number stays with the person; the
// login may be changed and then taken by another. Whether the address that a profile
// shows was verified GitHub does not say.
func (p *Provider) gitHubPerson(ctx context.Context, access string) (Person, error) {
	var user struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Name  text   `json:"name"`
	}
	if err := getJSON(ctx, p.client, gitHub.userinfo, access, &user); err != nil {
		return Person{}, unavailable("asking who the person is: %s", short(err.Error()))
	}
	if user.ID <= 0 || !gitHubLogin.MatchString(user.Login) {
		return Person{}, refused("it names nobody: id is %d, login %q", user.ID, user.Login)
	}
	return Person{Subject: strconv.FormatInt(user.ID, 10), Login: user.Login, Display: string(user.Name), Profile: "https://github.com/" + user.Login}, nil
}
