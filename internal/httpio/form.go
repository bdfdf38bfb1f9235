package httpio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"
)

const (
	maxFields     = 64
	maxField      = 64 << 10
	maxPartHeader = 4 << 10
	maxBoundary   = 70 // RFC 2046 §5.1.1
)

// What can be wrong with a form body.
var (
	ErrMediaType = errors.New("body is neither urlencoded nor multipart form data")
	ErrForm      = errors.New("malformed form body")
	ErrFormLimit = errors.New("form body has too many or too long fields")
	ErrRepeated  = errors.New("form field is given more than once")
)

// Form decodes an urlencoded or multipart/form-data body, at most 64 fields of 64 KiB
// each. A field named in once that comes twice is ErrRepeated; uploaded files are
// left out. An empty body has no fields, whatever its type. Not checked: UTF-8.
// Multipart bytes under an urlencoded label are read as what they are.
func Form(r *Request, once ...string) (url.Values, error) {
	if len(r.Body) == 0 {
		return url.Values{}, nil
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return nil, ErrMediaType
	}
	var form url.Values
	switch kind {
	case "application/x-www-form-urlencoded":
		form, err = labelledForm(r.Body)
	case "multipart/form-data":
		form, err = multipartForm(r.Body, params["boundary"])
	default:
		return nil, ErrMediaType
	}
	if err != nil {
		return nil, err
	}
	if err := single(form, once); err != nil {
		return nil, err
	}
	return form, nil
}

// labelledForm reads a body that says it is urlencoded. Multipart data never passes for
// that: each of its fields has a semicolon in its header.
func labelledForm(body []byte) (url.Values, error) {
	form, err := urlencodedForm(body)
	if err != nil && SniffMultipart(body) != "" {
		return multipartForm(body, "")
	}
	return form, err
}

func urlencodedForm(body []byte) (url.Values, error) {
	if bytes.Count(body, []byte("&")) >= maxFields {
		return nil, ErrFormLimit
	}
	form, ok := parsePairs(string(body), maxFields)
	if !ok {
		return nil, fmt.Errorf("%w: bad escape or separator", ErrForm)
	}
	for name, values := range form {
		for _, value := range values {
			if len(name) > maxField || len(value) > maxField {
				return nil, ErrFormLimit
			}
		}
	}
	return form, nil
}

// multipartForm takes the boundary from the body when the label has none: clients that
// set the label by hand forget it.
func multipartForm(body []byte, boundary string) (url.Values, error) {
	if boundary == "" {
		boundary = SniffMultipart(body)
	}
	if boundary == "" || len(boundary) > maxBoundary {
		return nil, fmt.Errorf("%w: no usable multipart boundary", ErrForm)
	}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	form := url.Values{}
	for n := 0; ; n++ {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return form, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: bad multipart structure", ErrForm)
		}
		if n == maxFields || headerSize(part.Header) > maxPartHeader {
			return nil, ErrFormLimit
		}
		if err := addPart(form, part); err != nil {
			return nil, err
		}
	}
}

// addPart reads one part into form; the body it is read from is in memory already.
func addPart(form url.Values, part *multipart.Part) error {
	name := part.FormName()
	if name == "" {
		return fmt.Errorf("%w: multipart field without a name", ErrForm)
	}
	value, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil {
		return fmt.Errorf("%w: multipart field without an end", ErrForm)
	}
	if len(value) > maxField {
		return ErrFormLimit
	}
	if part.FileName() == "" {
		form.Add(name, string(value))
	}
	return nil
}

func headerSize(h textproto.MIMEHeader) int {
	size := 0
	for name, values := range h {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	return size
}

// SniffMultipart returns the multipart boundary that the first line of body announces, or
// "" when body does not begin like multipart data (RFC 2046 §5.1.1).
func SniffMultipart(body []byte) string {
	line, _, found := bytes.Cut(body, []byte("\n"))
	line, dashes := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\r")), []byte("--"))
	if !found || !dashes || len(line) == 0 || len(line) > maxBoundary {
		return ""
	}
	for _, c := range line {
		if !isBoundary(c) {
			return ""
		}
	}
	return string(line)
}

func isBoundary(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("'()+_,-./:=?", c) >= 0
}

func single(form url.Values, once []string) error {
	for _, name := range once {
		if len(form[name]) > 1 {
			return fmt.Errorf("%w: %s", ErrRepeated, name)
		}
	}
	return nil
}
