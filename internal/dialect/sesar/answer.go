package sesar

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"symbolon/internal/httpio"
)

func jsonAnswer(status int, o httpio.Object) httpio.Response {
	return answer(status, "application/json", httpio.JSON(o))
}

func xmlAnswer(status int, body string) httpio.Response {
	return answer(status, "application/xml", []byte(body))
}

// answer names the scheme on every 401, as RFC 9110 §15.5.2 demands.
func answer(status int, kind string, body []byte) httpio.Response {
	h := http.Header{"Content-Type": {kind}}
	if kind == "application/json" {
		h.Set("Vary", "Accept")
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="api"`)
	}
	return httpio.Response{Status: status, Header: h, Body: body}
}

func detail(text string) httpio.Object { return httpio.Object{{Name: "detail", Value: text}} }

// handlers are one path's, by method. GET stands for HEAD too.
type handlers map[string]httpio.Handler

// drf puts handlers behind the framework's rules for methods: Allow on every
// answer, OPTIONS with a description, 405 for the rest.
func drf(name string, by handlers) httpio.Handler {
	allow := allowed(by)
	return func(ctx context.Context, r *httpio.Request) httpio.Response {
		var resp httpio.Response
		if h := by[r.Method]; h != nil {
			resp = h(ctx, r)
		} else if r.Method == http.MethodOptions {
			resp = jsonAnswer(200, describe(name))
		} else {
			resp = jsonAnswer(405, detail(`Method "`+r.Method+`" not allowed.`))
		}
		resp.Header.Set("Allow", allow)
		return resp
	}
}

// allowed lists the methods in the framework's order.
func allowed(by handlers) string {
	var list []string
	for _, m := range []string{"GET", "POST", "DELETE"} {
		if by[m] != nil {
			list = append(list, m)
		}
	}
	if slices.Contains(list, "GET") {
		list = append(list, "HEAD")
	}
	return strings.Join(append(list, "OPTIONS"), ", ")
}

func describe(name string) httpio.Object {
	return httpio.Object{
		{Name: "name", Value: name},
		{Name: "description", Value: ""},
		{Name: "renders", Value: []string{"application/json"}},
		{Name: "parses", Value: []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}},
	}
}
