package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/audit"
	"symbolon/internal/token"
)

var auditTests = map[string]func(*kit){
	"AuditFilter": auditFilter,
	"AuditPaging": auditPaging,
}

func auditFilter(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	first := k.now()
	g := k.issue(token.Pair, "samples", ada)
	k.pass(time.Hour)
	k.issue(token.Pair, "samples", bob)
	k.pass(time.Hour)
	k.revoke(token.RevokeVerb{Grant: g.ID})
	last := k.now()
	for what, c := range map[string]struct {
		filter audit.Filter
		want   []audit.Kind
	}{
		"account":     {audit.Filter{Account: ada}, []audit.Kind{audit.Revoked, audit.Issued, audit.AccountAdded}},
		"grant":       {audit.Filter{Grant: g.ID}, []audit.Kind{audit.Revoked, audit.Issued}},
		"kind":        {audit.Filter{Kinds: []audit.Kind{audit.Issued}}, []audit.Kind{audit.Issued, audit.Issued}},
		"kinds":       {audit.Filter{Account: ada, Kinds: []audit.Kind{audit.AccountAdded, audit.Revoked}}, []audit.Kind{audit.Revoked, audit.AccountAdded}},
		"since":       {audit.Filter{Since: last}, []audit.Kind{audit.Revoked}},
		"until":       {audit.Filter{Since: first, Until: last, Kinds: []audit.Kind{audit.Issued, audit.Revoked}}, []audit.Kind{audit.Issued, audit.Issued}},
		"limit":       {audit.Filter{Limit: 1}, []audit.Kind{audit.Revoked}},
		"none at all": {audit.Filter{Grant: g.ID, Account: bob}, nil},
	} {
		all, err := k.Audit(ctx, c.filter)
		k.must(err)
		var kinds []audit.Kind
		for _, e := range all {
			kinds = append(kinds, e.Kind)
		}
		if diff := cmp.Diff(c.want, kinds); diff != "" {
			k.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

// Page by page every line comes once, also while lines are added and the clock goes back.
func auditPaging(k *kit) {
	ada := k.person("ada")
	for range 7 {
		k.issue(token.Session, "samples", ada)
		k.pass(-time.Minute)
	}
	whole, err := k.Audit(ctx, audit.Filter{Account: ada})
	k.must(err)
	var paged []audit.Event
	for before := int64(0); ; {
		page, err := k.Audit(ctx, audit.Filter{Account: ada, Before: before, Limit: 3})
		k.must(err)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		before = page[len(page)-1].ID
		k.issue(token.Session, "samples", ada)
	}
	if diff := cmp.Diff(whole, paged); diff != "" {
		k.Errorf("pages (-whole +pages):\n%s", diff)
	}
}
