package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/strictjson"
)

// Tags of the operations, in the order of the reference.
const (
	tagSession = "Session"
	tagMe      = "Me"
	tagTokens  = "Tokens"
	tagKeys    = "API keys"
	tagApps    = "Application tokens"
	tagBrowser = "Browsers"
	tagGroups  = "Groups"
	tagService = "Services"
	tagAdmin   = "Admin"
)

var tags = []*huma.Tag{
	{Name: tagSession, Description: "Sign in for a session token, and out."},
	{Name: tagMe, Description: "The account that asks: who it is, what is held about it, its end."},
	{Name: tagTokens, Description: "Token pairs, sign-ins and everything else that can be ended."},
	{Name: tagKeys, Description: "Secrets with a beginning and an end, for programs of a person or of a group."},
	{Name: tagApps, Description: "Tokens without an end, for accounts of type application."},
	{Name: tagBrowser, Description: "Where the account is signed in: browsers, and sessions of this API."},
	{Name: tagGroups, Description: "The groups that the account owns."},
	{Name: tagService, Description: "The services that take tokens."},
	{Name: tagAdmin, Description: "Everybody's accounts, tokens and records. For members of sign_in.admin_group alone."},
}

const about = `What a person does on the pages of Symbolon, as JSON.

Send Authorization: Bearer with a session token (POST /session), which ends like a browser's sign-in, or with an API key of your own. ` +
	`Tokens of the services are not accepted here, and cookies are not looked at. An API key reads everything and ends tokens; ` +
	`it makes pairs only where the service takes keys, which end with it; it may put another in its own place; for all else that is made it takes a session.

Times are RFC 3339 in UTC, in whole seconds; null means none. Lists begin with the newest; next is the cursor of the page that follows, null on the last. ` +
	`Unknown, repeated and wrongly spelled members and parameters are refused. Errors are application/problem+json (RFC 9457); 429 and 503 say in Retry-After when to try again.

A secret is in one answer only and kept nowhere. If that answer was lost, end what it made (it is in the list) and make another.`

// schemas is where the document keeps its named shapes.
const schemas = "#/components/schemas/"

// nameOf is a type's name as clients see it.
func nameOf(t reflect.Type, hint string) string {
	return strings.ReplaceAll(huma.DefaultSchemaNamer(t, hint), "Info", "")
}

// description is the frame of the OpenAPI document.
func description(base string) huma.Config {
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: strictly}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Symbolon", Version: "1", Description: about},
			Servers: []*huma.Server{{URL: strings.TrimSuffix(base, "/") + Root}},
			Tags:    tags,
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry(schemas, nameOf),
				SecuritySchemes: map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer",
					Description: "A session token or an API key."}},
			},
		},
		// Problems are marshalled by the part of their type behind the plus sign.
		Formats:                      map[string]huma.Format{jsonKind: format, "json": format},
		DefaultFormat:                jsonKind,
		RejectUnknownQueryParameters: true,
	}
}

// strictly reads a body that has one meaning only.
func strictly(data []byte, v any) error {
	if _, err := strictjson.Parse(data, strictjson.Limits{}); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// body and answer are an operation's input and output that consist of a body alone.
type body[T any] struct{ Body T }

type answer[T any] struct{ Body T }

// none is for what has no parameters, or no body.
type none struct{}

func say[T any](v T) *answer[T] { return &answer[T]{v} }

// open declares an operation for everybody.
func open[I, O any](a *API, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable)
	slices.Sort(op.Errors)
	op.Errors = slices.Compact(op.Errors)
	if op.Path == "/session" && op.Method == http.MethodPost {
		op.Security = []map[string][]string{}
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, a.refusal(ctx, err)
		}
		return out, nil
	})
}

// declare declares an operation for those who are signed in; below /admin/, for admins.
func declare[I, O any](a *API, op huma.Operation, do func(context.Context, *visitor, *I) (*O, error)) {
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	op.Security = []map[string][]string{{"bearer": {}}}
	op.Middlewares = huma.Middlewares{a.known}
	open(a, op, func(ctx context.Context, in *I) (*O, error) {
		return do(ctx, ctx.Value(visitorKey{}).(*visitor), in)
	})
}

// admins reports whether the operation is for admins.
func admins(op *huma.Operation) bool { return strings.HasPrefix(op.Path, "/admin/") }
