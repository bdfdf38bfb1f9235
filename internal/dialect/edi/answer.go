package edi

import (
	"errors"
	"net/http"
	"strings"

	"symbolon/internal/httpio"
	"symbolon/internal/strictjson"
)

const (
	jsonType = "application/json"
	xmlType  = "application/xml"
)

func header(contentType string) http.Header { return http.Header{"Content-Type": {contentType}} }

// detail is the answer of the old server's framework, which no handler saw.
func detail(status int) httpio.Response {
	return httpio.Response{Status: status, Header: header(jsonType), Body: httpio.JSON(httpio.Object{member("detail", http.StatusText(status))})}
}

// answer lays out msg, the call's own fields and its name, as XML when Accept begins
// with that, else as JSON.
func answer(r *httpio.Request, call string, status int, msg string, fields ...httpio.Field) httpio.Response {
	o := append(make(httpio.Object, 0, 2+len(fields)), member("msg", msg))
	o = append(append(o, fields...), member("method", call))
	accept := r.Header.Get("Accept")
	if strings.HasPrefix(accept, xmlType) || strings.HasPrefix(accept, "text/xml") {
		return httpio.Response{Status: status, Header: header(xmlType), Body: httpio.XMLResult(o)}
	}
	return httpio.Response{Status: status, Header: header(jsonType), Body: httpio.ASCIIJSON(o)}
}

// object reads the body whatever its type claims to be. Names are the members the call
// reads, which must not come in another letter case. On failure it returns what is wrong.
func object(r *httpio.Request, names ...string) (o *strictjson.Object, fault string) {
	o, err := strictjson.ParseObject(r.Body, strictjson.Limits{})
	if err == nil {
		err = o.OddCase(names...)
	}
	if err != nil {
		return nil, jsonFault(r.Body, err)
	}
	return o, ""
}

// jsonFault words a failure of strictjson as the old server would, and where that would
// have taken the text, as ourselves.
func jsonFault(text []byte, err error) string {
	switch {
	case errors.Is(err, strictjson.ErrNotObject):
		return "must be an object"
	case errors.Is(err, strictjson.ErrDuplicate):
		return "a member name appears twice"
	case errors.Is(err, strictjson.ErrOddCase):
		return "a member name differs only in letter case"
	case errors.Is(err, strictjson.ErrTooDeep), errors.Is(err, strictjson.ErrTooLarge):
		return "too large or nested too deeply"
	}
	if fault := pythonFault(string(text)); fault != "" {
		return fault
	}
	return "not valid JSON in UTF-8"
}
