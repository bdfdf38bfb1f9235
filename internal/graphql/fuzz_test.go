package graphql

import (
	"context"
	"encoding/json"
	"testing"
)

// FuzzRun throws documents and variables at the whole engine: it must answer within its limits and never panic.
func FuzzRun(f *testing.F) {
	f.Add(standardQuery(f), `{}`)
	for _, query := range []string{
		`query($u:String="a",$p:String!){...A login(username:$u,password:$p)@skip(if:false){id}} fragment A on Auth{b:login{...{jwt}}}`,
		`{login(username:"\u00e9\uD83E\uDD80",password:"""block "\""" """){user{id,a:fname}}}`,
		`{login(username:{a:[1,-2.5e+3,$v,null,true,E]}){id}}`,
		`{...A} fragment A on Auth{...B} fragment B on Auth{...A}`,
		`mutation{a} subscription B{b}`, `{a`, "#\r\n", `query A @skip(if:$x){__type(name:"Auth"){fields{name}}}`,
	} {
		f.Add(query, `{"u":"a","p":5,"v":null,"x":true}`)
	}
	schemas := []*Schema{authSchema(V15), authSchema(V14)}
	f.Fuzz(func(t *testing.T, query, variables string) {
		given := map[string]json.RawMessage{}
		if json.Unmarshal([]byte(variables), &given) != nil {
			given = nil
		}
		for _, s := range schemas {
			r := s.Run(context.Background(), "Root", query, given)
			if r.Data == nil && len(r.Errors) == 0 {
				t.Fatal("neither data nor errors")
			}
			if len(r.Errors) > 2*maxFields {
				t.Fatalf("%d errors", len(r.Errors))
			}
		}
	})
}
