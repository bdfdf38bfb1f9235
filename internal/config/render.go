package config

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed config.go
var source string

const preamble = `# Configuration of Symbolon. A flag beats a variable, a variable beats this file.
# Durations: 900s, 15m, 8h, 30d, 1d12h, or a number of seconds. No secret stands
# here: keys ending in _file name the files that hold them.
`

// manual returns the comments of the structs, read from the source so that there is
// one text only. :: Type.Field → lines
var manual = sync.OnceValue(func() map[string][]string {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", source, parser.ParseComments)
	if err != nil {
		panic("config: " + err.Error())
	}
	lines := map[string][]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			lines[spec.Name.Name+"."+f.Names[0].Name] = strings.Split(strings.TrimSpace(f.Doc.Text()), "\n")
		}
		return false
	})
	return lines
})

// Marshal returns c as a configuration file with its manual beside the keys. Values
// that follow from others are left empty. Load reads it back as c.
func (c *Config) Marshal() []byte {
	w := &writer{explained: map[string]bool{}}
	w.WriteString(preamble)
	w.fields(reflect.ValueOf(*c.underived()), "", nil)
	return w.Bytes()
}

// Example returns a configuration with every key, its manual and a usable value. It
// loads without problems or warnings.
func Example() []byte {
	c := newConfig()
	c.BaseURL = "https://tokens.example.org"
	samples := NewService("samples", "sesar", "/webservices")
	samples.Sesar.JSONPath = "/api"
	samples.Upstream, samples.Protect = "http://127.0.0.1:9000", []string{"/data"}
	upload := NewRule("/data/upload")
	upload.Methods, upload.Groups, upload.Remaining = []string{"POST", "PUT"}, []string{"collectors"}, Duration(2*time.Hour)
	samples.Rules = []Rule{upload}
	samples.Allow = Allow{Groups: []string{"collectors"}, Types: []string{"person", "application"}}
	warehouse := NewService("warehouse", "itempath", "/api")
	warehouse.ItemPath.ApplicationIdle = 365 * Day
	c.Services = []Service{samples, NewService("ecology", "edi", "/auth"), NewService("collections", "collectiveaccess", "/"), warehouse}
	return c.Marshal()
}

// writer renders structs as YAML, each comment once.
type writer struct {
	bytes.Buffer
	explained map[string]bool // :: Type.Field → its comment is written
}

// fields writes the keys of a struct but those in skip.
func (w *writer) fields(v reflect.Value, indent string, skip map[string]string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := f.Tag.Get("yaml")
		if _, unused := skip[key]; unused || key == "" || key == "-" {
			continue
		}
		w.explain(v.Type().Name()+"."+f.Name, indent)
		if v.Type() == reflect.TypeFor[Config]() {
			w.variable(key)
		}
		w.value(v.Field(i), key, indent)
	}
}

// explain writes the manual of a field, unless it stands above already.
func (w *writer) explain(name, indent string) {
	if w.explained[name] {
		return
	}
	w.explained[name] = true
	w.WriteByte('\n')
	for _, line := range manual()[name] {
		fmt.Fprintf(w, "%s# %s\n", indent, line)
	}
}

func (w *writer) variable(key string) {
	for _, v := range Variables() {
		if v.Key == key {
			fmt.Fprintf(w, "# Variable: %s\n", v.Name)
		}
	}
}

func (w *writer) value(v reflect.Value, key, indent string) {
	switch v := v.Interface().(type) {
	case string:
		fmt.Fprintf(w, "%s%s: %s\n", indent, key, quoted(v))
	case []string:
		all := make([]string, len(v))
		for i, s := range v {
			all[i] = quoted(s)
		}
		fmt.Fprintf(w, "%s%s: [%s]\n", indent, key, strings.Join(all, ", "))
	case map[string]string:
		w.pairs(v, key, indent)
	case Allow, LDAP, LDAPGroups, SignIn:
		fmt.Fprintf(w, "%s%s:\n", indent, key)
		w.fields(reflect.ValueOf(v), indent+"  ", nil)
	case []Provider:
		w.providers(v, key, indent)
	case []Rule:
		w.rules(v, key, indent)
	case []Service:
		fmt.Fprintf(w, "%s%s:\n", indent, key)
		for _, s := range v {
			w.service(s, indent+"  ")
		}
	default: // Duration, bool, int
		fmt.Fprintf(w, "%s%s: %v\n", indent, key, v)
	}
}

func (w *writer) pairs(m map[string]string, key, indent string) {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, quoted(k)+": "+quoted(m[k]))
	}
	fmt.Fprintf(w, "%s%s: {%s}\n", indent, key, strings.Join(all, ", "))
}

// providers writes the list. An empty one gets an entry in comments, for its manual.
func (w *writer) providers(list []Provider, key, indent string) {
	if len(list) > 0 {
		fmt.Fprintf(w, "%s%s:\n", indent, key)
		for _, p := range list {
			entry := &writer{explained: w.explained}
			entry.fields(reflect.ValueOf(p), indent+"    ", nil)
			w.entry(entry.String(), indent+"  ", "name")
		}
		return
	}
	fmt.Fprintf(w, "%s%s: []\n", indent, key)
	shown := &writer{explained: w.explained}
	shown.providers([]Provider{{Kind: kindORCID, ClientID: "APP-0123456789ABCDEF", ClientSecretFile: "orcid.secret"}}, key, "")
	for line := range strings.Lines(shown.String()) {
		fmt.Fprintf(w, "%s\n", strings.TrimRight(indent+"# "+line, " \n"))
	}
}

// entry writes an entry of a list, its hyphen before its first key.
func (w *writer) entry(text, indent, first string) {
	text = "\n" + strings.TrimPrefix(text, "\n")
	w.WriteString(strings.Replace(text, "\n"+indent+"  "+first+":", "\n"+indent+"- "+first+":", 1))
}

func (w *writer) rules(rules []Rule, key, indent string) {
	if len(rules) == 0 {
		fmt.Fprintf(w, "%s%s: []\n", indent, key)
		return
	}
	fmt.Fprintf(w, "%s%s:\n", indent, key)
	for _, r := range rules {
		entry := &writer{explained: w.explained}
		entry.fields(reflect.ValueOf(r), indent+"    ", nil)
		w.entry(entry.String(), indent+"  ", "path")
	}
}

// service writes one entry of the list.
func (w *writer) service(s Service, indent string) {
	entry := &writer{explained: w.explained}
	inner := indent + "  "
	if d := findDialect(s.Dialect); d != nil {
		entry.fields(reflect.ValueOf(s), inner, d.unused)
		entry.fields(reflect.ValueOf(d.own(&s)).Elem(), inner, nil)
	} else {
		entry.fields(reflect.ValueOf(s), inner, nil)
	}
	w.entry(entry.String(), indent, "name")
}

// bare matches what needs no quotes in YAML, if it is not read as a number or the like.
var bare = regexp.MustCompile(`^[A-Za-z0-9/.]([A-Za-z0-9/._=:-]*[A-Za-z0-9/_=])?$`)

// quoted writes s so that YAML reads it back as the same text. A JSON text is one.
func quoted(s string) string {
	scalar := yaml.Node{Kind: yaml.ScalarNode, Value: s}
	if bare.MatchString(s) && scalar.ShortTag() == "!!str" {
		return s
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	// Encoding a text into memory cannot fail.
	_ = enc.Encode(s)
	return strings.TrimSpace(b.String())
}
