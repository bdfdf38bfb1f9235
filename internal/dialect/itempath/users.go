package itempath

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"symbolon/internal/httpio"
	"symbolon/internal/strictjson"
	"symbolon/internal/token"
)

// admin returns the caller when the request's token is an admin's, else the answer. A
// key that a backend holds too can make an access token of any admin, so it opens
// nothing here; an application token it cannot make, since that is on our list.
func (h *handlers) admin(ctx context.Context, r *httpio.Request) (token.Caller, *httpio.Response) {
	refuse := func(resp httpio.Response) (token.Caller, *httpio.Response) { return token.Caller{}, &resp }
	text, fault := bearer(r.Header)
	if fault.status != 0 {
		return refuse(h.refuse(fault))
	}
	c, sub, err := h.engine.Introspect(ctx, h.service.Name, text, token.Access)
	switch {
	case err != nil:
		return refuse(h.refused(ctx, r, callAccess, err, text))
	case !sub.InGroup(h.own.AdminGroup):
		return refuse(message(http.StatusForbidden, onlyAdmins))
	case h.keyShared() && !c.Expires.IsZero():
		return refuse(message(http.StatusForbidden, onlyUnshared))
	}
	return caller(r, "account", sub.Account), nil
}

// The statuses of a user.
const (
	pending     = 0
	active      = 1
	deactivated = 2
	application = 3
)

func (p Person) status() int {
	switch {
	case !p.Active:
		return deactivated
	case p.Application:
		return application
	case p.Pending:
		return pending
	}
	return active
}

// wire is the user with ItemPath's attributes; it holds no secret.
func (h *handlers) wire(p Person) httpio.Object {
	kind := "user"
	if p.Application {
		kind = "application"
	}
	return httpio.Object{
		member("id", number(p.ID)), member("email", p.Email), member("isAdmin", slices.Contains(p.Groups, h.own.AdminGroup)),
		member("language", nil), member("roleId", nil), member("roleName", nil), member("status", p.status()),
		member("type", kind), member("username", p.Name), member("viewId", 1),
	}
}

// one answers with a user, or with why there is none.
func (h *handlers) one(ctx context.Context, r *httpio.Request, status int, p Person, err error) httpio.Response {
	if err != nil {
		return h.refused(ctx, r, callPeople, err, "")
	}
	return answer(status, httpio.Object{member("user", h.wire(p))})
}

// list is GET users.
func (h *handlers) list(ctx context.Context, r *httpio.Request) httpio.Response {
	if _, refused := h.admin(ctx, r); refused != nil {
		return *refused
	}
	people, err := h.people.List(ctx)
	if err != nil {
		return h.refused(ctx, r, callPeople, err, "")
	}
	users := []any{}
	for _, p := range people {
		users = append(users, h.wire(p))
	}
	return answer(http.StatusOK, httpio.Object{member("users", users)})
}

// get is GET users/{id}.
func (h *handlers) get(ctx context.Context, r *httpio.Request) httpio.Response {
	if _, refused := h.admin(ctx, r); refused != nil {
		return *refused
	}
	p, err := h.people.Get(ctx, r.PathValue("id"))
	return h.one(ctx, r, http.StatusOK, p, err)
}

// create is POST users.
func (h *handlers) create(ctx context.Context, r *httpio.Request) httpio.Response {
	by, refused := h.admin(ctx, r)
	if refused != nil {
		return *refused
	}
	n, fault := newPerson(r)
	if fault.status != 0 {
		return h.refuse(fault)
	}
	p, err := h.people.Add(ctx, by, n)
	return h.one(ctx, r, http.StatusCreated, p, err)
}

func newPerson(r *httpio.Request) (n NewPerson, fault refusal) {
	o, fault := object(r, "username", "password", "email", "type", "status")
	if fault.status != 0 {
		return n, fault
	}
	for _, f := range []struct {
		name     string
		to       *string
		required bool
	}{{"username", &n.Name, true}, {"password", &n.Password, false}, {"email", &n.Email, false}} {
		if *f.to, fault = stringIn(o, f.name, f.required); fault.status != 0 {
			return n, fault
		}
	}
	c, fault := changeIn(o)
	if fault.status != 0 {
		return n, fault
	}
	if c.Active != nil && !*c.Active {
		return n, badRequest("a new user cannot be deactivated")
	}
	n.Application = c.Application != nil && *c.Application
	return n, refusal{}
}

// update is POST users/{id}: of what ItemPath lets an admin change, type and status.
func (h *handlers) update(ctx context.Context, r *httpio.Request) httpio.Response {
	by, refused := h.admin(ctx, r)
	if refused != nil {
		return *refused
	}
	o, fault := object(r, "type", "status")
	if fault.status != 0 {
		return h.refuse(fault)
	}
	c, fault := changeIn(o)
	if fault.status != 0 {
		return h.refuse(fault)
	}
	if c == (Change{}) {
		return message(http.StatusBadRequest, "only type and status can be changed here, and neither was sent")
	}
	p, err := h.people.Change(ctx, by, r.PathValue("id"), c)
	return h.one(ctx, r, http.StatusOK, p, err)
}

// changeIn reads type and status. An active application has status 3, and nobody else has.
func changeIn(o *strictjson.Object) (c Change, fault refusal) {
	kind, hasType := o.Get("type")
	if hasType {
		c.Application = new(kind == "application")
		if kind != "user" && kind != "application" {
			return c, badRequest("type must be user or application")
		}
	}
	v, hasStatus := o.Get("status")
	if !hasStatus {
		return c, refusal{}
	}
	status, _ := v.(json.Number)
	c.Active = new(status != "2")
	switch {
	case status != "1" && status != "2" && status != "3":
		return c, badRequest("status must be 1 (active), 2 (deactivated) or 3 (application)")
	case status == "3" && kind != "application":
		return c, badRequest("status 3 goes with type application")
	case status == "1" && kind == "application":
		return c, badRequest("status 1 does not go with type application: use 3")
	}
	return c, refusal{}
}
