package collectiveaccess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"symbolon/internal/graphql"
	"symbolon/internal/httpio"
	"symbolon/internal/strictjson"
	"symbolon/internal/token"
)

// query is what the endpoint reads of a body; operationName and all else is ignored.
type query struct {
	text      string
	variables map[string]json.RawMessage
}

// fault is what keeps a body from being a usable query, in the words of the hint in the answer.
type fault string

// The faults of a body.
const (
	isEmpty      fault = "The body is empty."
	isNotJSON    fault = "The body is not one JSON object."
	isTwice      fault = "A member appears twice in the body."
	isOddCase    fault = "A member differs from query or variables in letter case only."
	badQuery     fault = "The member query is missing or no text."
	badVariables fault = "The member variables is no object."
)

// howTo ends every hint: sending the bare text of a query is the commonest mistake.
const howTo = ` Send JSON such as {"query":"query { login(username: \"NAME\", password: \"PASSWORD\") { jwt refresh } }"} to this address.`

func (a *api) answerQuery(ctx context.Context, r *httpio.Request) httpio.Response {
	q, wrong := readQuery(r.Body)
	if wrong != "" {
		return a.unusable(r, wrong)
	}
	result := a.schema.Run(ctx, r, q.text, q.variables)
	a.logRefused(ctx, r, result.Errors)
	return a.respond(r, result)
}

// readQuery reads a body whatever its content type (contract §1.3); the fault is "" for a usable one.
func readQuery(body []byte) (query, fault) {
	if len(bytes.TrimSpace(body)) == 0 {
		return query{}, isEmpty
	}
	o, err := strictjson.ParseObject(body, strictjson.Limits{})
	switch {
	case errors.Is(err, strictjson.ErrDuplicate):
		return query{}, isTwice
	case err != nil:
		return query{}, isNotJSON
	case o.OddCase("query", "variables") != nil:
		return query{}, isOddCase
	}
	v, _ := o.Get("query")
	text, ok := v.(string)
	if !ok {
		return query{}, badQuery
	}
	v, _ = o.Get("variables")
	variables, ok := readVariables(v)
	if !ok {
		return query{}, badVariables
	}
	return query{text, variables}, ""
}

// readVariables takes an object, null, or a list, which names none.
func readVariables(v any) (map[string]json.RawMessage, bool) {
	named := map[string]json.RawMessage{}
	switch v := v.(type) {
	case nil, []any:
	case *strictjson.Object:
		for _, m := range v.Members {
			named[m.Name] = m.Raw
		}
	default:
		return nil, false
	}
	return named, true
}

// unusable answers a body without a usable query: release 15 by a type error whose text goes on freely, release 14
// as if the query were empty, but for variables (contract §3.4).
func (a *api) unusable(r *httpio.Request, wrong fault) httpio.Response {
	hint := string(wrong) + howTo
	e := object("message", "An invalid parameter type error occurred. Are your arguments correct? ["+hint+"]")
	if a.style == graphql.V14 && wrong != badVariables {
		e = object("message", "Syntax Error: Unexpected <EOF>", "extensions", object("category", "graphql", "hint", hint),
			"locations", []any{object("line", 1, "column", 1)})
	}
	return a.send(r, http.StatusInternalServerError, 0, encode(object("ok", false, "errors", []any{e})))
}

// logRefused logs why a field was refused; the wire masks it.
func (a *api) logRefused(ctx context.Context, r *httpio.Request, errs []*graphql.Error) {
	for _, e := range errs {
		if e.Cause != nil {
			a.refused(ctx, r, e.Cause)
		}
	}
}

func (a *api) refused(ctx context.Context, r *httpio.Request, err error) {
	level := slog.LevelInfo
	if token.CodeOf(err) == token.Unavailable {
		level = slog.LevelError
	}
	a.log.LogAttrs(ctx, level, "token refused", slog.String("request_id", r.ID),
		slog.String("code", token.CodeOf(err).String()), slog.String("reason", err.Error()))
}
