package sesar

import (
	"encoding/json"
	"errors"
	"mime"
	"strings"

	"symbolon/internal/httpio"
	"symbolon/internal/strictjson"
)

// bad is the answer to a request that never reaches the engine.
func bad(status int, o httpio.Object) *httpio.Response {
	resp := jsonAnswer(status, o)
	return &resp
}

// fieldError is how the framework says what is wrong with one field.
func fieldError(field, what string) *httpio.Response {
	return bad(400, httpio.Object{{Name: field, Value: []string{what}}})
}

// readField returns the value of one field of a JSON, urlencoded or multipart body;
// given is false when the body has none. An empty body has no fields whatever its
// label says. A refusal is the answer to give.
func readField(r *httpio.Request, name string) (value any, given bool, refusal *httpio.Response) {
	if len(r.Body) == 0 {
		return nil, false, nil
	}
	label := r.Header.Get("Content-Type")
	if kind, _, _ := mime.ParseMediaType(label); kind == "application/json" {
		return jsonField(r.Body, name)
	}
	form, err := httpio.Form(r, name)
	switch {
	case errors.Is(err, httpio.ErrMediaType):
		return nil, false, bad(415, detail(`Unsupported media type "`+label+`" in request.`))
	case errors.Is(err, httpio.ErrRepeated):
		return nil, false, fieldError(name, "This field may not be given more than once.")
	case err != nil:
		return nil, false, bad(400, detail("Form parse error - "+err.Error()))
	}
	return form.Get(name), form.Has(name), nil
}

// bodyLimits leave room for any body a client has reason to send.
var bodyLimits = strictjson.Limits{Depth: 16, Members: 1024}

func jsonField(body []byte, name string) (value any, given bool, refusal *httpio.Response) {
	v, err := strictjson.Parse(body, bodyLimits)
	if err != nil {
		return nil, false, bad(400, detail("JSON parse error - "+err.Error()))
	}
	o, ok := v.(*strictjson.Object)
	if !ok {
		return nil, false, bad(400, httpio.Object{{Name: "non_field_errors", Value: []string{notObject(v)}}})
	}
	if err := o.OddCase(name); err != nil {
		return nil, false, bad(400, detail("JSON parse error - "+err.Error()))
	}
	value, given = o.Get(name)
	return value, given, nil
}

func notObject(v any) string {
	if v == nil {
		return "No data provided"
	}
	return "Invalid data. Expected a dictionary, but got " + pythonType(v) + "."
}

func pythonType(v any) string {
	switch v := v.(type) {
	case bool:
		return "bool"
	case string:
		return "str"
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return "float"
		}
		return "int"
	}
	return "list"
}

// textField reads a required field as the framework's CharField does: numbers turn
// into texts, space around is cut.
func textField(r *httpio.Request, name string) (string, *httpio.Response) {
	value, given, refusal := readField(r, name)
	if refusal != nil {
		return "", refusal
	}
	if !given {
		return "", fieldError(name, "This field is required.")
	}
	return charField(value, name)
}

func charField(value any, name string) (string, *httpio.Response) {
	var text string
	switch v := value.(type) {
	case nil:
		return "", fieldError(name, "This field may not be null.")
	case string:
		text = strings.TrimSpace(v)
	case json.Number:
		text = string(v)
	default:
		return "", fieldError(name, "Not a valid string.")
	}
	switch {
	case text == "":
		return "", fieldError(name, "This field may not be blank.")
	case strings.ContainsRune(text, 0):
		return "", fieldError(name, "Null characters are not allowed.")
	}
	return text, nil
}

// retryKey returns the Idempotency-Key: one header of 1 to 255 visible ASCII
// characters. Any other is as none.
func retryKey(r *httpio.Request) string {
	values := r.Header.Values("Idempotency-Key")
	if len(values) != 1 || len(values[0]) > 255 {
		return ""
	}
	if strings.ContainsFunc(values[0], func(c rune) bool { return c <= ' ' || c > '~' }) {
		return ""
	}
	return values[0]
}
