package collectiveaccess

import (
	"context"
	"strconv"
	"strings"

	"symbolon/internal/graphql"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// maxLogins is how many sign-ins one request may try: aliases would else make one request of thousands.
const maxLogins = 10

// newSchema is the schema of the Auth endpoint (contract §2). Defaults print as null: what upstream prints there is
// the caller's own token.
func (a *api) newSchema() *graphql.Schema {
	info := &graphql.Type{Kind: graphql.ObjectKind, Name: "UserInfo", Description: "Service user login", Fields: []*graphql.Field{
		{Name: "id", Description: "Unique user identifier", Type: graphql.Int},
		{Name: "username", Description: "User name", Type: graphql.String},
		{Name: "email", Description: "User mail", Type: graphql.String},
		{Name: "fname", Description: "User first name", Type: graphql.String},
		{Name: "lname", Description: "User last name", Type: graphql.String},
		{Name: "userclass", Description: "User class", Type: graphql.String},
	}}
	jwt := &graphql.Field{Name: "jwt", Description: "JSON Web Token (JWT) for access", Type: graphql.String}
	user := &graphql.Type{Kind: graphql.ObjectKind, Name: "User", Description: "Service user login", Fields: []*graphql.Field{
		{Name: "id", Description: "Unique user identifier", Type: graphql.Int},
		{Name: "user", Description: "User information", Type: info},
		jwt,
		{Name: "refresh", Description: "JSON Web Token (JWT) for refresh", Type: graphql.String},
	}}
	refresh := &graphql.Type{Kind: graphql.ObjectKind, Name: "Refresh", Description: "Refresh JWT token", Fields: []*graphql.Field{jwt}}
	text := func(name, description string) *graphql.Arg {
		return &graphql.Arg{Name: name, Description: description, Type: graphql.String, Default: "null"}
	}
	root := &graphql.Type{Kind: graphql.ObjectKind, Name: "Auth", Fields: []*graphql.Field{
		{Name: "login", Description: "User login", Type: user, Resolve: a.login, Most: maxLogins,
			Args: []*graphql.Arg{text("username", "User name"), text("password", "User password")}},
		{Name: "refresh", Description: "Get new JWT access token using refresh token", Type: refresh, Resolve: a.refresh,
			Args: []*graphql.Arg{text("token", "Refresh token")}},
		{Name: "validate", Description: "User login validation", Type: info, Resolve: a.validate,
			Args: []*graphql.Arg{text("jwt", "JWT access token")}},
	}}
	return graphql.NewSchema(root, a.style)
}

// login signs in. Every refusal that is not for now only is an object of nulls, the same for all causes.
func (a *api) login(ctx context.Context, parent any, args graphql.Args) (any, error) {
	r := parent.(*httpio.Request)
	name, _ := args["username"].(string)
	password, _ := args["password"].(string)
	nobody := map[string]any{}
	if name == "" || password == "" {
		return nobody, nil
	}
	t, err := a.signIn(ctx, r, name, password)
	switch token.CodeOf(err) {
	case 0:
	case token.TooMany, token.Unavailable:
		return nil, err
	default:
		a.refused(ctx, r, err)
		return nobody, nil
	}
	return map[string]any{
		"id": number(t.Subject.ID), "user": userInfo(t.Subject), "jwt": t.Access.Reveal(), "refresh": t.Refresh.Reveal(),
	}, nil
}

func (a *api) signIn(ctx context.Context, r *httpio.Request, name, password string) (token.Tokens, error) {
	by := caller(r)
	by.Actor = "account"
	id, err := a.door.SignIn(ctx, by, name, password)
	if err != nil {
		return token.Tokens{}, err
	}
	by.Account = id
	return a.engine.Issue(ctx, by, token.IssueRequest{Service: a.service.Name, Kind: token.Session, Account: id, Label: "sign-in"})
}

// given is an argument's text, or the bearer token when the argument was not given; null is no token.
func given(parent any, args graphql.Args, name string) string {
	v, ok := args[name]
	if !ok {
		return bearer(parent.(*httpio.Request))
	}
	text, _ := v.(string)
	return text
}

// refresh mints an access token alone. An access token refreshes too, unless somebody else holds its key.
func (a *api) refresh(ctx context.Context, parent any, args graphql.Args) (any, error) {
	text := given(parent, args, "token")
	if text == "" {
		return map[string]any{}, nil
	}
	req := token.RefreshRequest{Service: a.service.Name, Token: text, Accept: []token.Kind{token.Refresh, token.Access}}
	if a.keyShared {
		req.Accept = req.Accept[:1]
	}
	t, err := a.engine.Refresh(ctx, caller(parent.(*httpio.Request)), req)
	if err != nil {
		return nil, err
	}
	return map[string]any{"jwt": t.Access.Reveal()}, nil
}

func (a *api) validate(ctx context.Context, parent any, args graphql.Args) (any, error) {
	_, sub, err := a.user(ctx, given(parent, args, "jwt"))
	if err != nil {
		return nil, err
	}
	return userInfo(sub), nil
}

// user is the present account of an access token that may use the API.
func (a *api) user(ctx context.Context, text string) (token.Claims, token.Subject, error) {
	if text == "" {
		return token.Claims{}, token.Subject{}, token.Refuse(token.BadCredentials, "no token")
	}
	c, sub, err := a.engine.Introspect(ctx, a.service.Name, text, token.Access)
	if err != nil {
		return token.Claims{}, token.Subject{}, err
	}
	return c, sub, a.service.Admit(sub)
}

// userInfo is an account as UserInfo. The last word of the display name is the last name, which is never empty.
// The class is a text, "0" for a full user, unless the account's attribute userclass says otherwise.
func userInfo(sub token.Subject) map[string]any {
	first, last := "", sub.Display
	if i := strings.LastIndexByte(last, ' '); i >= 0 {
		first, last = last[:i], last[i+1:]
	}
	if last == "" {
		last = sub.Name
	}
	class := sub.Attrs["userclass"]
	if class == "" {
		class = "0"
	}
	return map[string]any{
		"id": number(sub.ID), "username": sub.Name, "email": sub.Email, "fname": first, "lname": last, "userclass": class,
	}
}

// number is a subject as an Int; null when it is none.
func number(subject string) any {
	n, err := strconv.ParseInt(subject, 10, 64)
	if err != nil {
		return nil
	}
	return n
}
