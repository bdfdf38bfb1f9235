package graphql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// authSchema looks like the endpoint that this package was written for. Its login answers what it was given.
func authSchema(style Style) *Schema {
	info := &Type{Kind: ObjectKind, Name: "UserInfo", Fields: []*Field{{Name: "id", Type: Int}, {Name: "fname", Type: String}, {Name: "email", Type: String}}}
	user := &Type{Kind: ObjectKind, Name: "User", Fields: []*Field{
		{Name: "id", Type: Int}, {Name: "user", Type: info}, {Name: "jwt", Type: String}, {Name: "refresh", Type: String}}}
	refresh := &Type{Kind: ObjectKind, Name: "Refresh", Fields: []*Field{{Name: "jwt", Type: String}}}
	text := func(name string) *Arg { return &Arg{Name: name, Type: String, Default: "null"} }
	return NewSchema(&Type{Kind: ObjectKind, Name: "Auth", Fields: []*Field{
		{Name: "login", Type: user, Args: []*Arg{text("username"), text("password")}, Most: 3, Resolve: echoLogin},
		{Name: "refresh", Type: refresh, Args: []*Arg{text("token")}, Resolve: func(_ context.Context, root any, args Args) (any, error) {
			return nil, errors.New("no such token")
		}},
	}}, style)
}

func echoLogin(_ context.Context, root any, args Args) (any, error) {
	password, given := args["password"]
	if !given {
		password = "not given"
	}
	return map[string]any{"id": int64(2), "jwt": args["username"], "refresh": password,
		"user": map[string]any{"id": int64(2), "fname": root}}, nil
}

// show writes a result on one line, errors with their places as line:column.
func show(r Result) string {
	var b strings.Builder
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "%s", e.Message)
		for _, at := range e.Locations {
			fmt.Fprintf(&b, " @%d:%d", at.Line, at.Column)
		}
		if e.Path != nil {
			fmt.Fprintf(&b, " %v", e.Path)
		}
		b.WriteString("; ")
	}
	if r.Data != nil {
		b.WriteString(showValue(r.Data))
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func showValue(v any) string {
	switch v := v.(type) {
	case *Object:
		var parts []string
		for i, key := range v.Keys {
			parts = append(parts, key+":"+showValue(v.Values[i]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, showValue(x))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}

func run(style Style, query string, variables map[string]string) Result {
	given := map[string]json.RawMessage{}
	for name, text := range variables {
		given[name] = json.RawMessage(text)
	}
	return authSchema(style).Run(context.Background(), "Root", query, given)
}

type vars = map[string]string

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		query string
		vars  vars
		want  string
	}{
		"order of the query":     {`{ login(username:"a") { refresh id jwt } }`, nil, `{login:{refresh:not given id:2 jwt:a}}`},
		"aliases":                {`{ one:login(username:"a") {jwt} two:login(username:"b") {who:jwt} }`, nil, `{one:{jwt:a} two:{who:b}}`},
		"typename":               {`{ __typename login { __typename user { __typename } } }`, nil, `{__typename:Auth login:{__typename:User user:{__typename:UserInfo}}}`},
		"null is given":          {`{ login(password:null) {refresh} }`, nil, `{login:{refresh:null}}`},
		"fields merge":           {`{ login(username:"a") {id} login(username:"a") {jwt user{id}} ... on Auth {login(username:"a"){user{fname}}} }`, nil, `{login:{id:2 jwt:a user:{id:2 fname:Root}}}`},
		"fragments":              {"query Q { ...A }\nfragment A on Auth { login { ...B } }\nfragment B on User { id ...C }\nfragment C on User { ... { jwt } }", nil, `{login:{id:2 jwt:null}}`},
		"variables":              {`query($u:String,$p:String!){login(username:$u,password:$p){jwt refresh}}`, vars{"u": `"a\u00e9"`, "p": `"s"`, "other": `{}`}, `{login:{jwt:aé refresh:s}}`},
		"variable not given":     {`query($p:String){login(password:$p){refresh}}`, nil, `{login:{refresh:not given}}`},
		"variable null":          {`query($p:String){login(password:$p){refresh}}`, vars{"p": "null"}, `{login:{refresh:null}}`},
		"default of a variable":  {`query($p:String="d"){login(password:$p){refresh}}`, nil, `{login:{refresh:d}}`},
		"default not null":       {`query($on:Boolean=true){login @include(if:$on){refresh}}`, nil, `{login:{refresh:not given}}`},
		"skip":                   {`query($s:Boolean!){login @skip(if:$s){id} a:login @skip(if:false) {id}}`, vars{"s": "true"}, `{a:{id:2}}`},
		"skip beats include":     {`{login @include(if:true) @skip(if:true) {id}}`, nil, `{}`},
		"include on fragments":   {`{...A @include(if:false) ... on Auth @skip(if:true) {b:login{id}} c:login{id}} fragment A on Auth{a:login{id}}`, nil, `{c:{id:2}}`},
		"strings":                {`{login(username:"\"\\\/\b\u00E9\uD83E\uDD80"){jwt}}`, nil, `{login:{jwt:"\/` + "\b" + `é🦀}}`},
		"block string":           {"{login(username:\"\"\"\n    a\n      b \\\"\"\"\n  \"\"\"){jwt}}", nil, "{login:{jwt:a\n  b \"\"\"}}"},
		"commas and comments":    {"\ufeff{,,login#jwt}\n{id,}}", nil, `{login:{id:2}}`},
		"a resolver's error":     {`{ r:refresh(token:"x"){jwt} login{id} }`, nil, `Internal server error @1:3 [r]; {r:null login:{id:2}}`},
		"type by name":           {`{__type(name:"Refresh"){name kind fields{name type{name}}} none:__type(name:"X"){name}}`, nil, `{__type:{name:Refresh kind:OBJECT fields:[{name:jwt type:{name:String}}]} none:null}`},
		"name of the operation":  {`query A {login{id}}`, nil, `{login:{id:2}}`},
		"empty list of nothing":  {`{__type(name:"__TypeKind"){enumValues(includeDeprecated:true){name isDeprecated deprecationReason} fields{name}}}`, nil, `{__type:{enumValues:[{name:SCALAR isDeprecated:false deprecationReason:null} {name:OBJECT isDeprecated:false deprecationReason:null} {name:INTERFACE isDeprecated:false deprecationReason:null} {name:UNION isDeprecated:false deprecationReason:null} {name:ENUM isDeprecated:false deprecationReason:null} {name:INPUT_OBJECT isDeprecated:false deprecationReason:null} {name:LIST isDeprecated:false deprecationReason:null} {name:NON_NULL isDeprecated:false deprecationReason:null}] fields:null}}`},
		"types of the schema":    {`{__schema{types{name} queryType{name} mutationType{name} directives{name}}}`, nil, `{__schema:{types:[{name:Auth} {name:String} {name:User} {name:Int} {name:UserInfo} {name:Refresh} {name:Boolean} {name:__Schema} {name:__Type} {name:__TypeKind} {name:__Field} {name:__InputValue} {name:__EnumValue} {name:__Directive} {name:__DirectiveLocation}] queryType:{name:Auth} mutationType:null directives:[{name:include} {name:skip} {name:deprecated} {name:specifiedBy} {name:oneOf}]}}`},
		"defaults print as null": {`{__type(name:"Auth"){fields{args{name defaultValue type{kind name}}}}}`, nil, `{__type:{fields:[{args:[{name:username defaultValue:null type:{kind:SCALAR name:String}} {name:password defaultValue:null type:{kind:SCALAR name:String}}]} {args:[{name:token defaultValue:null type:{kind:SCALAR name:String}}]}]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(V15, c.query, c.vars)
			if diff := cmp.Diff(c.want, show(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		query string
		vars  vars
		v15   string
		v14   string // "" when it is the same
	}{
		// Syntax.
		"nothing":             {``, nil, `Syntax Error: Unexpected <EOF> @1:1`, ``},
		"unfinished":          {`query { login(username:`, nil, `Syntax Error: Unexpected <EOF> @1:24`, ``},
		"unclosed":            {"{\n  login(username:\"é\") {", nil, `Syntax Error: Expected Name, found <EOF> @2:24`, ``},
		"empty selection":     {`{ }`, nil, `Syntax Error: Expected Name, found } @1:3`, ``},
		"not GraphQL":         {`login`, nil, `Syntax Error: Unexpected Name "login" @1:1`, ``},
		"type definition":     {`type A { a: String }`, nil, `Syntax Error: Unexpected Name "type" @1:1`, ``},
		"two dots":            {`{ .. }`, nil, `Syntax Error: Cannot parse the unexpected character ".". @1:3`, ``},
		"odd character":       {`{ login? }`, nil, `Syntax Error: Cannot parse the unexpected character "?". @1:8`, ``},
		"odd slash":           {`{ / }`, nil, `Syntax Error: Cannot parse the unexpected character "\/". @1:3`, ``},
		"odd letter":          {`{ é }`, nil, `Syntax Error: Cannot parse the unexpected character "\ue9". @1:3`, ``},
		"control character":   {"{ \x01 }", nil, `Syntax Error: Cannot contain the invalid character "\u0001" @1:3`, ``},
		"single quote":        {`{ login(username:'a') }`, nil, `Syntax Error: Unexpected single quote character ('), did you mean to use a double quote (")? @1:18`, ``},
		"unterminated":        {"{ login(username:\"a\n) }", nil, `Syntax Error: Unterminated string. @1:20`, ``},
		"unterminated block":  {`{ login(username:"""a`, nil, `Syntax Error: Unterminated string. @1:22`, ``},
		"bad escape":          {`{ login(username:"\x") }`, nil, `Syntax Error: Invalid character escape sequence: \x @1:20`, ``},
		"bad unicode escape":  {`{ login(username:"\u00g0") }`, nil, `Syntax Error: Invalid character escape sequence: \u00g0 @1:20`, ``},
		"leading zero":        {`{ login(username:01) }`, nil, `Syntax Error: Invalid number, unexpected digit after 0: "1" @1:19`, ``},
		"no digit":            {`{ login(username:1.) }`, nil, `Syntax Error: Invalid number, expected digit but got: ")" @1:20`, ``},
		"variable in default": {`query($a:String=$b){login{id}}`, nil, `Syntax Error: Unexpected $ @1:17`, ``},
		"fragment called on":  {`fragment on on Auth {login{id}}`, nil, `Syntax Error: Unexpected Name "on" @1:10`, ``},
		"no on":               {`{...A} fragment A {login{id}}`, nil, `Syntax Error: Expected "on", found { @1:19`, ``},
		"CR and LF":           {"{\r\n\r  ? }", nil, `Syntax Error: Cannot parse the unexpected character "?". @3:3`, ``},

		// Fields, arguments and values.
		"unknown field":         {`{ login { nope } }`, nil, `Cannot query field "nope" on type "User". @1:11`, ``},
		"unknown root field":    {`{ logout }`, nil, `Cannot query field "logout" on type "Auth". Did you mean "login"? @1:3`, ``},
		"no selection":          {`{ login(username: "x") }`, nil, `Field "login" of type "User" must have a sub selection. @1:3`, ``},
		"selection of a leaf":   {`{ login { id { a } } }`, nil, `Field "id" of type "Int" must not have a sub selection. @1:16`, ``},
		"unknown argument":      {`{ login(user: "x") { id } }`, nil, `Unknown argument "user" on field "login" of type "Auth". @1:9`, ``},
		"near argument":         {`{ login(usernme: "x") { id } }`, nil, `Unknown argument "usernme" on field "login" of type "Auth". Did you mean "username"? @1:9`, ``},
		"argument twice":        {`{ login(username: "x", username: "y") { id } }`, nil, `There can be only one argument named "username". @1:9 @1:24`, ``},
		"number for a text":     {`{ login(username: 5) { id } }`, nil, `String cannot represent a non string value: 5 @1:19`, `Field "login" argument "username" requires type String, found 5. @1:19`},
		"object for a text":     {`{ login(username: {a:[1,"b",X,$v,null,true]}) { id } }`, nil, `String cannot represent a non string value: {a: [1, "b", X, $v, null, true]} @1:19; Variable "$v" is not defined. @1:31`, `Field "login" argument "username" requires type String, found {a: [1, "b", X, $v, null, true]}. @1:19; Variable "$v" is not defined. @1:31`},
		"missing argument":      {`{ __type { name } }`, nil, `Field "__type" argument "name" of type "String!" is required but not provided. @1:3`, ``},
		"null where it may not": {`{ __type(name:null) { name } }`, nil, `Expected value of type "String!", found null. @1:15`, `Field "__type" argument "name" requires type String!, found null. @1:15`},
		"member twice":          {`{ login(username: {a:1,a:2}) { id } }`, nil, `String cannot represent a non string value: {a: 1, a: 2} @1:19; There can be only one input field named "a". @1:20 @1:24`, `Field "login" argument "username" requires type String, found {a: 1, a: 2}. @1:19; There can be only one input field named "a". @1:20 @1:24`},

		// Directives.
		"unknown directive":   {`{ login @skp(if:true) { id } }`, nil, `Unknown directive "@skp". @1:9`, `Unknown directive "skp". @1:9`},
		"misplaced directive": {`query @skip(if:true) { login { id } }`, nil, `Directive "skip" may not be used on "QUERY". @1:7`, ``},
		"directive twice":     {`{ login @skip(if:true) @skip(if:false) { id } }`, nil, `The directive "skip" can only be used once at this location. @1:9 @1:24`, `The directive "skip" can only be used once at this location. @1:9 @1:24`},
		"directive's gap":     {`{ login @skip { id } }`, nil, `Directive "@skip" argument "if" of type "Boolean!" is required but not provided. @1:9`, ``},
		"directive's value":   {`{ login @skip(if:"a") { id } }`, nil, `Boolean cannot represent a non boolean value: "a" @1:18`, `Field "login" argument "if" requires type Boolean!, found "a". @1:18`},
		"directive's extra":   {`{ login @skip(if:true, iff:true) { id } }`, nil, `Unknown argument "iff" on directive "@skip". Did you mean "if"? @1:24`, ``},

		// Variables.
		"undefined":               {`{ login(username:$u) { id } }`, nil, `Variable "$u" is not defined. @1:18`, ``},
		"undefined in operation":  {`query Q { ...A } fragment A on Auth { login(username:$u) { id } }`, nil, `Variable "$u" is not defined by operation "Q". @1:54`, ``},
		"unused":                  {`query($u:String) { login { id } }`, nil, `Variable "$u" is never used. @1:7`, ``},
		"unused in operation":     {`query Q($u:String) { login { id } }`, nil, `Variable "$u" is never used in operation "Q". @1:9`, ``},
		"variable twice":          {`query($u:String,$u:String) { login(username:$u) { id } }`, nil, `There can be only one variable named "u". @1:7 @1:17`, ``},
		"required":                {`query($password:String!) { login(password:$password) { id } }`, nil, `Variable "$password" of required type "String!" was not provided. @1:7`, ``},
		"required and null":       {`query($p:String!) { login(password:$p) { id } }`, vars{"p": "null"}, `Variable "$p" of non-null type "String!" must not be null. @1:7`, ``},
		"wrong type given":        {`query($u:String) { login(username:$u) { id } }`, vars{"u": "5"}, `Variable "$u" got invalid value 5; String cannot represent a non string value: 5 @1:7`, `Variable "$u" got invalid value 5; Expected type String; String cannot represent a non string value: 5 @1:7`},
		"object given":            {`query($u:String) { login(username:$u) { id } }`, vars{"u": `{ "a": [1] }`}, `Variable "$u" got invalid value {"a":[1]}; String cannot represent a non string value: {"a":[1]} @1:7`, `Variable "$u" got invalid value {"a":[1]}; Expected type String; String cannot represent a non string value: {"a":[1]} @1:7`},
		"empty text for boolean":  {`query($b:Boolean!) { login @skip(if:$b) { id } }`, vars{"b": `""`}, `Variable "$b" got invalid value (empty string); Boolean cannot represent a non boolean value: (empty string) @1:7`, `Variable "$b" got invalid value (empty string); Expected type Boolean; Boolean cannot represent a non boolean value: (empty string) @1:7`},
		"wrong type of variable":  {`query($u:Int) { login(username:$u) { id } }`, nil, `Variable "$u" of type "Int" used in position expecting type "String". @1:7 @1:32`, ``},
		"list for a text":         {`query($u:[String]=["a"]) { login(username:$u) { id } }`, nil, `Variable "$u" of type "[String]" used in position expecting type "String". @1:7 @1:43`, ``},
		"nullable where not":      {`query($b:Boolean) { login @skip(if:$b) { id } }`, nil, `Variable "$b" of type "Boolean" used in position expecting type "Boolean!". @1:7 @1:36`, ``},
		"variable of an object":   {`query($u:User) { login(username:$u) { id } }`, nil, `Variable "$u" cannot be non-input type "User". @1:10; Variable "$u" of type "User" used in position expecting type "String". @1:7 @1:33`, ``},
		"unknown type":            {`query($u:Strin) { login(username:$u) { id } }`, nil, `Unknown type "Strin". Did you mean "String"? @1:10`, ``},
		"default of a wrong type": {`query($u:String=5) { login(username:$u) { id } }`, nil, `String cannot represent a non string value: 5 @1:17`, `Expected type String, found 5. @1:17`},
		"too large a number":      {`query($i:Int=3000000000) { login(username:$i) { id } }`, nil, `Int cannot represent non 32-bit signed integer value: 3000000000 @1:14; Variable "$i" of type "Int" used in position expecting type "String". @1:7 @1:43`, `Expected type Int, found 3000000000. @1:14; Variable "$i" of type "Int" used in position expecting type "String". @1:7 @1:43`},
		"value of no enum":        {`query($k:__TypeKind=LISTS) { login(username:$k) { id } }`, nil, `Value "LISTS" does not exist in "__TypeKind" enum. Did you mean "LIST"? @1:21; Variable "$k" of type "__TypeKind" used in position expecting type "String". @1:7 @1:45`, `Expected type __TypeKind, found LISTS. @1:21; Variable "$k" of type "__TypeKind" used in position expecting type "String". @1:7 @1:45`},

		// Fragments and operations.
		"unknown fragment":      {`{ ...A }`, nil, `Unknown fragment "A". @1:3`, ``},
		"unused fragment":       {`{ login { id } } fragment A on Auth { login { id } }`, nil, `Fragment "A" is never used. @1:18`, ``},
		"fragment twice":        {`{ ...A } fragment A on Auth { login { id } } fragment A on Auth { login { id } }`, nil, `There can be only one fragment named "A". @1:19 @1:55`, ``},
		"cycle":                 {`{ ...A } fragment A on Auth { ...A }`, nil, `Cannot spread fragment "A" within itself. @1:31`, ``},
		"long cycle":            {`{ ...A } fragment A on Auth { ...B } fragment B on Auth { ...A }`, nil, `Cannot spread fragment "A" within itself via B. @1:31 @1:59`, ``},
		"fragment of a scalar":  {`{ ...A } fragment A on String { id }`, nil, `Fragment "A" cannot condition on non composite type "String". @1:24`, ``},
		"inline of a scalar":    {`{ ... on String { id } }`, nil, `Fragment cannot condition on non composite type "String". @1:10`, ``},
		"fragment of another":   {`{ ...A } fragment A on User { id }`, nil, `Fragment "A" cannot be spread here as objects of type "Auth" can never be of type "User". @1:3`, ``},
		"inline of another":     {`{ ... on User { id } }`, nil, `Fragment cannot be spread here as objects of type "Auth" can never be of type "User". @1:3`, ``},
		"two operations":        {`query A { login { id } } query B { login { id } }`, nil, `Must provide operation name if query contains multiple operations.`, ``},
		"one name twice":        {`query A { login { id } } query A { login { id } }`, nil, `There can be only one operation named "A". @1:7 @1:32`, ``},
		"not alone":             {`{ login { id } } query B { login { id } }`, nil, `This anonymous operation must be the only defined operation. @1:1`, ``},
		"mutation":              {`mutation { login { id } }`, nil, `Schema is not configured for mutations. @1:1`, ``},
		"subscription":          {`subscription S { a }`, nil, `Schema is not configured for subscriptions. @1:1`, ``},
		"different fields":      {`{ login { a:id a:jwt } }`, nil, `Fields "a" conflict because id and jwt are different fields. Use different aliases on the fields to fetch both if this was intentional. @1:11 @1:16`, ``},
		"different arguments":   {`{ login(username:"a") { id } login { id } }`, nil, `Fields "login" conflict because they have differing arguments. Use different aliases on the fields to fetch both if this was intentional. @1:3 @1:30`, ``},
		"different subfields":   {`{ login { user { a:id } } login { user { a:fname } } }`, nil, `Fields "login" conflict because subfields "user" conflict because subfields "a" conflict because id and fname are different fields. Use different aliases on the fields to fetch both if this was intentional. @1:3 @1:11 @1:18 @1:27 @1:35 @1:42`, ``},
		"a fragment's conflict": {`{ login { jwt:id ...A } } fragment A on User { jwt }`, nil, `Fields "jwt" conflict because id and jwt are different fields. Use different aliases on the fields to fetch both if this was intentional. @1:11 @1:48`, ``},

		// Limits.
		"four of at most three": {`{ a:login{id} b:login{id} ...F } fragment F on Auth { c:login{id} d:login{id} }`, nil, `Field "login" may be asked for only a few times in one query: send several. @1:67`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			if c.v14 == "" {
				c.v14 = c.v15
			}
			for style, want := range map[Style]string{V15: c.v15, V14: c.v14} {
				r := run(style, c.query, c.vars)
				if diff := cmp.Diff(want, show(r)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", style, diff)
				}
			}
		})
	}
}
