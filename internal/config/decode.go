package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxServices bounds the work that one file can cause.
const maxServices = 1000

// decoder fills structs from YAML nodes. The yaml package would do so too, but from
// a node it neither refuses unknown keys nor reports more than type errors.
type decoder struct {
	*report
	file string
}

// document reads the single document of src into c.
func (d *decoder) document(src []byte, c *Config) {
	d.places[""] = place{source: d.file}
	root, err := parse(src)
	if err != nil {
		line, text := parseProblem(err)
		d.addAt(d.file, line, "", "%s", text)
		return
	}
	if !d.plain(root) {
		d.bad[""] = true
		return
	}
	d.mapping(root, "", fields(c), d.suggest(fields(c)))
}

var (
	errEmpty = errors.New("the file is empty; `symbolon config example` prints one to start from")
	errTwo   = errors.New("the file has more than one document; keep one and remove the line ---")
)

// parse returns the root node of the only document in src.
func parse(src []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if err == io.EOF || err == nil && doc.Content[0].ShortTag() == "!!null" {
		return nil, errEmpty
	}
	if err != nil {
		return nil, err
	}
	if dec.Decode(&second) != io.EOF {
		return nil, errTwo
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// parseProblem takes the line, 0 for none, out of an error of parse.
func parseProblem(err error) (int, string) {
	text := err.Error()
	if errors.Is(err, errEmpty) || errors.Is(err, errTwo) {
		return 0, text
	}
	line := 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	return line, "this is not YAML: " + strings.TrimPrefix(text, "yaml: ") + "; mend this line or one just above it"
}

// plain reports whether the tree is free of anchors and aliases, which could make a
// small file unfold into a huge one and which no configuration needs.
func (d *decoder) plain(n *yaml.Node) bool {
	ok := n.Anchor == "" && n.Kind != yaml.AliasNode
	if !ok {
		d.addAt(d.file, n.Line, fmt.Sprintf("anchor at %d:%d", n.Line, n.Column), "anchors (&) and aliases (*) are not allowed; write the value out, or put it in quotes")
	}
	for _, child := range n.Content {
		ok = d.plain(child) && ok
	}
	return ok
}

// fields returns the fields of the structs pointed to. :: key → settable field
func fields(structs ...any) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	for _, s := range structs {
		v := reflect.ValueOf(s).Elem()
		for i := range v.NumField() {
			if key := v.Type().Field(i).Tag.Get("yaml"); key != "" && key != "-" {
				all[key] = v.Field(i)
			}
		}
	}
	return all
}

// mapping reads each key of n into its field. For a key that has none, unknown
// says what is wrong.
func (d *decoder) mapping(n *yaml.Node, path string, into map[string]reflect.Value, unknown func(key string) string) {
	d.places[path] = place{d.file, n.Line}
	if n.Kind != yaml.MappingNode {
		d.add(path, "%s must be keys with values, each on a line of its own as `key: value`", nameOf(path))
		return
	}
	first := map[string]int{} // :: key → line
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		field, known := into[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || !known:
			d.addAt(d.file, key.Line, at, "%s", unknown(key.Value))
		case first[key.Value] != 0:
			d.addAt(d.file, key.Line, at+" again", "%q stands here a second time, first in line %d; remove one of the two", key.Value, first[key.Value])
		default:
			first[key.Value] = key.Line
			d.value(value, field, at)
		}
	}
}

func (d *decoder) value(n *yaml.Node, field reflect.Value, path string) {
	d.places[path] = place{d.file, n.Line}
	switch p := field.Addr().Interface().(type) {
	case *string:
		d.text(n, p, path)
	case *Duration:
		d.duration(n, p, path)
	case *bool:
		d.boolean(n, p, path)
	case *int:
		d.number(n, p, path)
	case *[]string:
		d.texts(n, p, path)
	case *Allow:
		d.mapping(n, path, fields(p), d.suggest(fields(p)))
	case *LDAP:
		d.mapping(n, path, fields(p), d.suggest(fields(p)))
	case *SignIn:
		d.mapping(n, path, fields(p), d.suggest(fields(p)))
	case *[]Provider:
		d.providers(n, p, path)
	case *LDAPGroups:
		d.mapping(n, path, fields(p), d.suggest(fields(p)))
	case *map[string]string:
		d.pairs(n, p, path)
	case *[]Service:
		d.services(n, p, path)
	case *[]Rule:
		d.rules(n, p, path)
	default:
		panic("config: no decoder for " + field.Type().String())
	}
}

// scalar reports whether n is a single value of one of the tags.
func scalar(n *yaml.Node, tags ...string) bool {
	return n.Kind == yaml.ScalarNode && slices.Contains(tags, n.ShortTag())
}

func (d *decoder) text(n *yaml.Node, p *string, path string) {
	switch {
	case scalar(n, "!!null"):
		d.add(path, "%s has no value; give it one, or remove the line", nameOf(path))
	case !scalar(n, "!!str"):
		d.add(path, `%s must be a text; put it in quotes, like "value"`, nameOf(path))
	case !printable(n.Value):
		d.add(path, "%s has a line break or another unprintable character; remove it", nameOf(path))
	default:
		*p = n.Value
	}
}

// printable keeps out what could forge a line of the log or of a written file.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (d *decoder) duration(n *yaml.Node, p *Duration, path string) {
	if !scalar(n, "!!str", "!!int") {
		d.add(path, "%s: %v", nameOf(path), ErrDuration)
		return
	}
	v, err := ParseDuration(n.Value)
	if err != nil {
		d.add(path, "%s: %q is %v", nameOf(path), n.Value, err)
		return
	}
	*p = v
}

func (d *decoder) boolean(n *yaml.Node, p *bool, path string) {
	v, err := strconv.ParseBool(strings.ToLower(n.Value))
	if !scalar(n, "!!bool") || err != nil {
		d.add(path, "%s must be true or false, without quotes", nameOf(path))
		return
	}
	*p = v
}

func (d *decoder) number(n *yaml.Node, p *int, path string) {
	v, err := strconv.Atoi(n.Value)
	if !scalar(n, "!!int") || err != nil {
		d.add(path, "%s must be a whole number, such as 5", nameOf(path))
		return
	}
	*p = v
}

func (d *decoder) texts(n *yaml.Node, p *[]string, path string) {
	if n.Kind != yaml.SequenceNode {
		d.add(path, "%s must be a list, such as [first, second]", nameOf(path))
		return
	}
	for i, child := range n.Content {
		var s string
		d.value(child, reflect.ValueOf(&s).Elem(), element(path, i))
		*p = append(*p, s)
	}
}

// pairs reads a mapping whose keys the reader of the file chooses.
func (d *decoder) pairs(n *yaml.Node, p *map[string]string, path string) {
	if n.Kind != yaml.MappingNode {
		d.add(path, "%s must be pairs, such as {first: second}", nameOf(path))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		var key, value string
		at := element(path, i/2)
		d.value(n.Content[i], reflect.ValueOf(&key).Elem(), at)
		d.value(n.Content[i+1], reflect.ValueOf(&value).Elem(), at)
		if _, again := (*p)[key]; again {
			d.addAt(d.file, n.Content[i].Line, at, "%s has %q twice; remove one of the two", nameOf(path), key)
		}
		if *p == nil {
			*p = map[string]string{}
		}
		(*p)[key] = value
	}
}

func (d *decoder) providers(n *yaml.Node, p *[]Provider, path string) {
	if n.Kind != yaml.SequenceNode {
		d.add(path, "providers must be a list, each entry beginning with a hyphen as `- kind: orcid`")
		return
	}
	if len(n.Content) > maxProviders {
		d.add(path, "providers has %d entries, more than the %d allowed; remove some", len(n.Content), maxProviders)
		return
	}
	for i, child := range n.Content {
		var one Provider
		d.mapping(child, element(path, i), fields(&one), d.suggest(fields(&one)))
		*p = append(*p, one)
	}
}

func (d *decoder) services(n *yaml.Node, p *[]Service, path string) {
	if n.Kind != yaml.SequenceNode {
		d.add(path, "services must be a list, each entry beginning with a hyphen as `- name: samples`")
		return
	}
	if len(n.Content) > maxServices {
		d.add(path, "services has %d entries, more than the %d allowed; split them over several servers", len(n.Content), maxServices)
		return
	}
	for i, child := range n.Content {
		*p = append(*p, d.service(child, element(path, i)))
	}
}

const maxRules = 1000

func (d *decoder) rules(n *yaml.Node, p *[]Rule, path string) {
	if n.Kind != yaml.SequenceNode || len(n.Content) > maxRules {
		d.add(path, "rules must be a list of at most %d, each entry beginning with a hyphen as `- path: /data`", maxRules)
		return
	}
	for i, child := range n.Content {
		rule := NewRule("")
		d.mapping(child, element(path, i), fields(&rule), d.suggest(fields(&rule)))
		*p = append(*p, rule)
	}
}

// service reads one service. Its dialect, wherever it stands in the mapping, decides
// the defaults and the keys; of an unknown dialect all keys of all dialects pass.
func (d *decoder) service(n *yaml.Node, path string) Service {
	s := NewService("", scalarOf(n, "dialect"), "")
	speaks := findDialect(s.Dialect)
	if speaks == nil {
		all := []any{&s}
		for _, other := range dialects {
			all = append(all, other.own(&Service{}))
		}
		d.mapping(n, path, fields(all...), d.suggest(fields(all...)))
		return s
	}
	into := fields(&s, speaks.own(&s))
	for key := range speaks.unused {
		delete(into, key)
	}
	suggest := d.suggest(into)
	d.mapping(n, path, into, func(key string) string {
		if why, ok := speaks.unused[key]; ok {
			return fmt.Sprintf("%s has no meaning for dialect %s: %s; remove the line", key, speaks.name, why)
		}
		if owner := ownerOf(key); owner != "" {
			return fmt.Sprintf("%s is a key of dialect %s, not of %s; remove the line", key, owner, speaks.name)
		}
		return suggest(key)
	})
	return s
}

// scalarOf returns the value of a key in a mapping, or nothing.
func scalarOf(n *yaml.Node, key string) string {
	if n.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key && scalar(n.Content[i+1], "!!str") {
			return n.Content[i+1].Value
		}
	}
	return ""
}

// ownerOf returns the dialect that has key among its own, or nothing.
func ownerOf(key string) string {
	for _, d := range dialects {
		if _, ok := fields(d.own(&Service{}))[key]; ok {
			return d.name
		}
	}
	return ""
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// nameOf returns the last key of a path, as the reader of the file knows it.
func nameOf(path string) string {
	switch name := path[strings.LastIndexByte(path, '.')+1:]; name {
	case "":
		return "the file"
	default:
		return name
	}
}
