package app

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"symbolon/internal/web/api"
)

// operation is one of the document.
type operation struct {
	path, method string
	thing
}

func (o operation) String() string { return o.method + " " + o.path }

// at is the operation's path with something for each parameter.
func (o operation) at() string {
	return strings.NewReplacer("{id}", "1", "{group}", "lab", "{name}", "ada").Replace(o.path)
}

func (o ours) document() thing {
	o.t.Helper()
	return o.get("/openapi.json")
}

// operations are those of the document, in order.
func operations(doc thing) (all []operation) {
	paths := doc["paths"].(thing)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		methods := paths[path].(thing)
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			all = append(all, operation{path, strings.ToUpper(method), methods[method].(thing)})
		}
	}
	return all
}

// TestAPIWithoutCredentials: everything but beginning a session takes a sign-in, before
// anything else of the request is looked at.
func TestAPIWithoutCredentials(t *testing.T) {
	o := newOurs(t)
	nobody := ours{o.env, ""}
	open := 0
	for _, op := range operations(o.document()) {
		w := nobody.raw(op.method, op.at(), "{", "Content-Type", "application/json")
		if op.String() == "POST /session" {
			open++
			nobody.refused(w, 400, "not valid JSON")
			continue
		}
		nobody.refused(w, 401, "Authorization: Bearer")
		if w.Header().Get("WWW-Authenticate") != `Bearer realm="symbolon"` {
			t.Errorf("%s: WWW-Authenticate %q", op, w.Header().Get("WWW-Authenticate"))
		}
	}
	if open != 1 {
		t.Errorf("%d open operations", open)
	}
}

// Every operation of the document is there, and every route is in the document.
func TestAPIDocumentIsComplete(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	documented := map[string]bool{}
	for _, op := range operations(o.document()) {
		documented[api.Root+op.path] = true
		if op.String() == "DELETE /session" {
			continue
		}
		w := admin.ask(op.method, op.at(), nil)
		if w.Code == 405 || w.Code == 401 || w.Code >= 500 || strings.Contains(w.Body.String(), "no such operation") {
			t.Errorf("%s: %d %s", op, w.Code, w.Body)
		}
	}
	others := []string{api.Root + "/", api.Root + "/openapi.json", "/symbolon/docs/api"}
	for _, r := range o.app.openAPI().Routes() {
		if !documented[r.Pattern] && !slices.Contains(others, r.Pattern) {
			t.Errorf("%s is not in the document", r.Pattern)
		}
	}
}

// TestAPIDocumentIsOpenAPI holds what OpenAPI 3.1 asks of the parts that are used.
func TestAPIDocumentIsOpenAPI(t *testing.T) {
	o := newOurs(t)
	doc := o.document()
	info := doc["info"].(thing)
	if doc["openapi"] != "3.1.0" || info["title"] != "Symbolon" || info["version"] == "" {
		t.Errorf("openapi %v, info %v", doc["openapi"], info)
	}
	if url := doc["servers"].([]any)[0].(thing)["url"]; url != "http://127.0.0.1:8080/symbolon/api/v1" {
		t.Errorf("server %v", url)
	}
	tags := map[any]bool{}
	for _, tag := range doc["tags"].([]any) {
		tags[tag.(thing)["name"]] = true
	}
	ids := map[any]bool{}
	for _, op := range operations(doc) {
		wellFormed(t, op)
		if ids[op.thing["operationId"]] {
			t.Errorf("%s: operationId %v twice", op, op.thing["operationId"])
		}
		ids[op.thing["operationId"]] = true
		if list := op.thing["tags"].([]any); len(list) != 1 || !tags[list[0]] {
			t.Errorf("%s: tags %v", op, list)
		}
	}
	if len(ids) < 30 {
		t.Errorf("%d operations", len(ids))
	}
	components := doc["components"].(thing)
	if _, ok := components["securitySchemes"].(thing)["bearer"]; !ok {
		t.Error("no security scheme")
	}
	for name, s := range components["schemas"].(thing) {
		if !regexp.MustCompile(`^[A-Za-z0-9._-]+$`).MatchString(name) {
			t.Errorf("a schema is called %q", name)
		}
		schema(t, name, s.(thing))
	}
	resolves(t, components, doc)
}

func wellFormed(t *testing.T, op operation) {
	t.Helper()
	if id, _ := op.thing["operationId"].(string); id == "" || op.thing["summary"] == "" || !strings.HasPrefix(op.path, "/") {
		t.Errorf("%s: operationId %q, summary %q", op, id, op.thing["summary"])
	}
	inPath := regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(op.path, -1)
	list, _ := op.thing["parameters"].([]any)
	given := map[string]bool{}
	for _, x := range list {
		p := x.(thing)
		if p["in"] == "path" {
			given[p["name"].(string)] = p["required"] == true
		}
		if p["name"] == "" || p["schema"] == nil || p["in"] != "path" && p["in"] != "query" {
			t.Errorf("%s: parameter %v", op, p)
		}
	}
	for _, m := range inPath {
		if !given[m[1]] {
			t.Errorf("%s: %s is no required parameter", op, m[1])
		}
	}
	if len(given) != len(inPath) {
		t.Errorf("%s: parameters %v", op, given)
	}
	responses := op.thing["responses"].(thing)
	success := 0
	for status, r := range responses {
		if r.(thing)["description"] == nil || !regexp.MustCompile(`^[2-5]\d\d$`).MatchString(status) {
			t.Errorf("%s: response %s %v", op, status, r)
		}
		content, _ := r.(thing)["content"].(thing)
		if strings.HasPrefix(status, "2") {
			success++
		} else if content["application/problem+json"] == nil {
			t.Errorf("%s: %s is no problem: %v", op, status, content)
		}
	}
	if success != 1 || responses["503"] == nil || op.path != "/session" && responses["401"] == nil {
		t.Errorf("%s: responses %v", op, slices.Sorted(maps.Keys(responses)))
	}
}

// schema checks a JSON Schema of 2020-12 as far as ours go.
func schema(t *testing.T, at string, s thing) {
	t.Helper()
	if s["$ref"] != nil {
		return
	}
	types := []any{s["type"]}
	if list, ok := s["type"].([]any); ok {
		types = list
	}
	for _, kind := range types {
		if !slices.Contains([]any{"object", "array", "string", "integer", "number", "boolean", "null"}, kind) {
			t.Errorf("%s: type %v", at, s["type"])
		}
	}
	if s["nullable"] != nil {
		t.Errorf("%s: nullable is of OpenAPI 3.0", at)
	}
	properties, _ := s["properties"].(thing)
	required, _ := s["required"].([]any)
	for _, name := range required {
		if properties[name.(string)] == nil {
			t.Errorf("%s: %v is required and not there", at, name)
		}
	}
	for name, p := range properties {
		schema(t, at+"."+name, p.(thing))
	}
	if slices.Contains(types, any("array")) {
		schema(t, at+"[]", s["items"].(thing))
	}
}

// resolves follows every reference of the document.
func resolves(t *testing.T, components thing, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			resolves(t, components, x)
		}
	case thing:
		if ref, ok := v["$ref"].(string); ok {
			name, ok := strings.CutPrefix(ref, "#/components/schemas/")
			if !ok || components["schemas"].(thing)[name] == nil {
				t.Errorf("%s leads nowhere", ref)
			}
		}
		for _, x := range v {
			resolves(t, components, x)
		}
	}
}

// What is answered is what the document says: no member more, none less.
func TestAPIAnswersAsDocumented(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	doc := o.document()
	schemas := doc["components"].(thing)["schemas"].(thing)
	made := admin.pair("samples", "x")
	for path, answer := range map[string]thing{
		"GET /me": admin.get("/me"), "POST /tokens": made, "GET /tokens": admin.get("/tokens"), "GET /services": admin.get("/services"),
		"GET /me/export": admin.get("/me/export"), "POST /keys": admin.key("k"), "GET /admin/services": admin.get("/admin/services"),
		"GET /admin/history": admin.get("/admin/history"), "GET /admin/activity": admin.get("/admin/activity"), "GET /admin/accounts": admin.get("/admin/accounts?q=ada"),
	} {
		method, at, _ := strings.Cut(path, " ")
		op := doc["paths"].(thing)[at].(thing)[strings.ToLower(method)].(thing)
		for status, r := range op["responses"].(thing) {
			if strings.HasPrefix(status, "2") {
				conforms(t, schemas, path, r.(thing)["content"].(thing)["application/json"].(thing)["schema"].(thing), answer)
			}
		}
	}
}

func conforms(t *testing.T, schemas thing, at string, s thing, v any) {
	t.Helper()
	if ref, ok := s["$ref"].(string); ok {
		s = schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(thing)
	}
	switch v := v.(type) {
	case nil:
		if list, ok := s["type"].([]any); !ok || !slices.Contains(list, any("null")) {
			t.Errorf("%s is null and not documented to be", at)
		}
	case []any:
		for i, x := range v {
			conforms(t, schemas, fmt.Sprintf("%s[%d]", at, i), s["items"].(thing), x)
		}
	case thing:
		properties, ok := s["properties"].(thing)
		if !ok {
			return // an object of texts
		}
		for name, x := range v {
			if properties[name] == nil {
				t.Errorf("%s.%s is not documented", at, name)
				continue
			}
			conforms(t, schemas, at+"."+name, properties[name].(thing), x)
		}
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				t.Errorf("%s.%s is missing", at, name)
			}
		}
	}
}

// The reference names every operation and every shape, and needs no script.
func TestAPIReference(t *testing.T) {
	o := newOurs(t)
	w := o.do("GET", "/symbolon/docs/api", "")
	wantCode(t, w, 200)
	page := w.Body.String()
	doc := o.document()
	for _, op := range operations(doc) {
		for _, want := range []string{`id="` + op.thing["operationId"].(string) + `"`, op.String() + "</code>"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s is not in the reference: %s", op, want)
			}
		}
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if seen[m[1]] {
			t.Errorf("two parts are called %s", m[1])
		}
		seen[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+m[1]+`"`) {
			t.Errorf("the link to #%s leads nowhere", m[1])
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("Content-Security-Policy %q", policy)
	}
	if strings.Contains(page, "unpkg") || strings.Contains(page, "http-equiv") || strings.Contains(page, "style=") {
		t.Error("the reference loads or styles what it should not")
	}
	if kind := w.Header().Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", kind)
	}
}
