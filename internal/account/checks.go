package account

import (
	"errors"
	"maps"
	"slices"
)

func (n New) check() error {
	err := errors.Join(
		checkName("account", n.Name), checkType(n.Type), checkDisplay(n.Display), checkEmail(n.Email),
		checkNames("group", n.Groups))
	if n.Password != "" {
		err = errors.Join(err, CheckPassword(n.Password, Account{Name: n.Name, Display: n.Display, Email: n.Email}.words()...))
	}
	for _, id := range n.Identities {
		err = errors.Join(err, checkIdentity(id))
	}
	return err
}

func (c Change) check(name string) error {
	err := errors.Join(
		checkName("account", name), checkNames("group", c.AddGroups), checkNames("group", c.RemoveGroups),
		given(c.Display, checkDisplay), given(c.Email, checkEmail), given(c.Type, checkType),
		given(c.Password, func(p string) error { return CheckPassword(p) }))
	for _, key := range slices.Sorted(maps.Keys(c.Attrs)) {
		err = errors.Join(err, checkAttr(key, c.Attrs[key]))
	}
	return err
}

func (f Filter) check() error {
	var errs []error
	if f.Group != "" {
		errs = append(errs, checkName("group", f.Group))
	}
	if f.Type != "" {
		errs = append(errs, checkType(f.Type))
	}
	if f.Status != "" {
		errs = append(errs, checkStatus(f.Status))
	}
	return errors.Join(errs...)
}

func checkMember(group, account string) error {
	return errors.Join(checkName("group", group), checkName("account", account))
}

// given checks a field that is there.
func given(field *string, check func(string) error) error {
	if field == nil {
		return nil
	}
	return check(*field)
}
