package collectiveaccess

import (
	"context"
	"net/http"
	"strings"

	"symbolon/internal/graphql"
	"symbolon/internal/httpio"
)

// The two ways to the API: by rewriting and by PATH_INFO.
const (
	rewritten = "/service"
	pathInfo  = "/service.php"
)

// api is the handlers of one mount over one engine.
type api struct {
	*Dialect
	engine Engine
	schema *graphql.Schema
}

// Routes returns the two ways with all below them: which spellings of the controller name lead to the endpoint is
// no matter of patterns.
func (d *Dialect) Routes(e Engine) []httpio.Route {
	a := &api{Dialect: d, engine: e}
	a.schema = a.newSchema()
	routes := []httpio.Route{
		{Pattern: d.prefix + rewritten, Handle: a.route},
		{Pattern: d.prefix + rewritten + "/", Handle: a.route},
		{Pattern: d.prefix + pathInfo, Handle: a.route},
		{Pattern: d.prefix + pathInfo + "/", Handle: a.route},
	}
	if d.dev {
		routes = append(routes, httpio.Route{Pattern: d.prefix + rewritten + "/whoami", Handle: a.whoami})
	}
	return routes
}

func (a *api) route(ctx context.Context, r *httpio.Request) httpio.Response {
	if a.fault(r.Path) != "" {
		return a.NotFound(r)
	}
	if r.Method == http.MethodOptions {
		return httpio.Response{Status: http.StatusOK, Header: header()}
	}
	return a.answerQuery(ctx, r)
}

// What is wrong with a path, in the words of the wire.
const (
	noController = "Invalid controller path"
	noAction     = "Not dispatchable"
)

// fault says why a path is not the endpoint's; "" when it is. As upstream, other characters in the controller's
// name do not count and its first letter may be small (contract §1.1).
func (d *Dialect) fault(path string) string {
	rest, ok := strings.CutPrefix(path, d.prefix)
	parts := strings.FieldsFunc(rest, func(c rune) bool { return c == '/' })
	if !ok || len(parts) < 2 || "/"+parts[0] != rewritten && "/"+parts[0] != pathInfo {
		return noController
	}
	name := strings.Map(controllerRune, parts[1])
	if name != "Auth" && name != "auth" {
		return noController
	}
	if len(parts) > 2 && (len(parts) > 3 || parts[2] != "_default") {
		return noAction
	}
	return ""
}

func controllerRune(c rune) rune {
	if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("_:.*", c) {
		return c
	}
	return -1
}

// NotFound answers every other path below the prefix, whatever the method: the routing error of the old service,
// whose errors member is no list, with status 404 instead of its 200.
func (d *Dialect) NotFound(r *httpio.Request) httpio.Response {
	message := d.fault(r.Path)
	if message == "" {
		message = noController
	}
	var category any = "routing"
	if strings.HasPrefix(r.Path, d.prefix+pathInfo) {
		category = nil
	}
	body := object("ok", false, "errors", object("message", message, "extensions", object("category", category), "locations", nil))
	return httpio.Response{Status: http.StatusNotFound, Header: http.Header{"Content-Type": {jsonType}}, Body: encode(body)}
}
