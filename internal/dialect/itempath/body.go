package itempath

import (
	"mime"
	"net/http"
	"strings"

	"symbolon/internal/httpio"
	"symbolon/internal/strictjson"
)

var bodyLimits = strictjson.Limits{Bytes: 64 << 10, Depth: 8, Members: 256}

// object reads a JSON body; of the members named, none may come twice or in another
// letter case. The refusal is zero when it could be read.
func object(r *httpio.Request, names ...string) (*strictjson.Object, refusal) {
	if !isJSON(r.Header) {
		return nil, refusal{status: http.StatusUnsupportedMediaType,
			msg: "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."}
	}
	o, err := strictjson.ParseObject(r.Body, bodyLimits)
	if err == nil {
		err = o.OddCase(names...)
	}
	if err != nil {
		return nil, badRequest("Failed to decode JSON object: " + jsonFault(r.Body, err))
	}
	return o, refusal{}
}

func badRequest(msg string) refusal { return refusal{status: http.StatusBadRequest, msg: msg} }

// isJSON takes what Flask takes, and a body without a type.
func isJSON(h http.Header) bool {
	value := h.Get("Content-Type")
	if value == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(value)
	return err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"))
}

// stringIn reads a member that must be a string; an absent one is a fault only when required.
func stringIn(o *strictjson.Object, name string, required bool) (string, refusal) {
	v, ok := o.Get(name)
	if !ok && !required {
		return "", refusal{}
	}
	s, ok := v.(string)
	if !ok {
		return "", badRequest("Missing or invalid field: " + name)
	}
	return s, refusal{}
}
