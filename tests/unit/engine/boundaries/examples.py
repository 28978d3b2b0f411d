"""The examples of the community of dynamic consistency boundaries, at https://dcb.events."""

from collections.abc import Iterable
from dataclasses import field
from datetime import UTC, datetime, timedelta

from chekov import (
    Boundary,
    Command,
    Domain,
    Event,
    Identifier,
    Personal,
    Rejected,
    Scope,
    Tag,
    apply,
    execute,
    scope,
)

LIMIT = 3
"""Courses that a student may take."""

# Course subscriptions: a limit for each course, and one for each student.


class CourseDefined(Event):
    course_id: Tag[str]
    capacity: int


class CapacityChanged(Event):
    course_id: Tag[str]
    capacity: int


class StudentSubscribed(Event):
    course_id: Tag[str]
    student_id: Tag[str]


class CourseExists(Rejected):
    """There is a course of this name."""


class NoSuchCourse(Rejected):
    """There is no such course."""


class CourseFull(Rejected):
    """The course has no places left."""


class TooManyCourses(Rejected):
    """The student takes too many courses."""


class AlreadySubscribed(Rejected):
    """The student takes this course."""


class DefineCourse(Command[CourseDefined]):
    course_id: Identifier[str]
    capacity: int


class ChangeCapacity(Command[CapacityChanged]):
    course_id: Identifier[str]
    capacity: int


class Subscribe(Command[StudentSubscribed]):
    course_id: Identifier[str]
    student_id: str


class Enrolment(Boundary, identity="enrolment"):
    course: str = ""
    student: str = ""
    capacity: int | None = None
    taken: int = 0
    courses: set[str] = field(default_factory=set[str])

    @scope
    def of_course(self, command: DefineCourse | ChangeCapacity) -> Scope:
        self.course = command.course_id
        return Scope.of(CourseDefined, CapacityChanged, course_id=command.course_id)

    @scope
    def of_both(self, command: Subscribe) -> Scope:
        self.course, self.student = command.course_id, command.student_id
        return Scope.of(
            CourseDefined, CapacityChanged, StudentSubscribed, course_id=command.course_id
        ) | Scope.of(StudentSubscribed, student_id=command.student_id)

    @execute
    def define(self, command: DefineCourse) -> Iterable[CourseDefined]:
        if self.capacity is not None:
            raise CourseExists
        yield CourseDefined(course_id=command.course_id, capacity=command.capacity)

    @execute
    def change(self, command: ChangeCapacity) -> Iterable[CapacityChanged]:
        if self.capacity is None:
            raise NoSuchCourse
        if command.capacity != self.capacity:
            yield CapacityChanged(course_id=command.course_id, capacity=command.capacity)

    @execute
    def subscribe(self, command: Subscribe) -> Iterable[StudentSubscribed]:
        if self.capacity is None:
            raise NoSuchCourse
        if command.course_id in self.courses:
            raise AlreadySubscribed
        if len(self.courses) >= LIMIT:
            raise TooManyCourses
        if self.taken >= self.capacity:
            raise CourseFull
        yield StudentSubscribed(course_id=command.course_id, student_id=command.student_id)

    @apply
    def defined(self, event: CourseDefined | CapacityChanged) -> None:
        self.capacity = event.capacity

    @apply
    def subscribed(self, event: StudentSubscribed) -> None:
        self.taken += event.course_id == self.course
        if event.student_id == self.student:
            self.courses.add(event.course_id)


# A unique user name, which is free again once its account is closed.


class NameClaimed(Event, subject="account"):
    account: str
    name: Tag[Personal[str]]


class NameReleased(Event, subject="account"):
    account: str
    name: Tag[Personal[str]]


class NameTaken(Rejected):
    """Somebody else has this name."""


class ClaimName(Command[NameClaimed]):
    account: Identifier[str]
    name: str


class ReleaseName(Command[NameReleased]):
    account: Identifier[str]
    name: str


class UserName(Boundary, identity="username"):
    owner: str | None = None

    @scope
    def of_name(self, command: ClaimName | ReleaseName) -> Scope:
        return Scope.of(NameClaimed, NameReleased, name=command.name)

    @execute
    def claim(self, command: ClaimName) -> Iterable[NameClaimed]:
        if self.owner is not None:
            raise NameTaken
        yield NameClaimed(account=command.account, name=command.name)

    @execute
    def release(self, command: ReleaseName) -> Iterable[NameReleased]:
        if self.owner == command.account:
            yield NameReleased(account=command.account, name=command.name)

    @apply
    def claimed(self, event: NameClaimed) -> None:
        self.owner = event.account

    @apply
    def released(self, event: NameReleased) -> None:
        self.owner = None


# Invoice numbers without gaps: the scope is all invoices, whatever their tags.


class InvoiceIssued(Event):
    number: int
    customer: Tag[str]


class IssueInvoice(Command[InvoiceIssued]):
    customer: Identifier[str]


class Invoicing(Boundary, identity="invoicing"):
    last: int = 0

    @scope
    def of_all(self, command: IssueInvoice) -> Scope:
        return Scope.of(InvoiceIssued)

    @execute
    def issue(self, command: IssueInvoice) -> Iterable[InvoiceIssued]:
        yield InvoiceIssued(number=self.last + 1, customer=command.customer)

    @apply
    def issued(self, event: InvoiceIssued) -> None:
        self.last = event.number


# An opt-in token, which serves once and not for long.


class SignUpInitiated(Event):
    email: Tag[str]
    token: Tag[str]
    until: datetime


class SignUpConfirmed(Event):
    email: Tag[str]
    token: Tag[str]


class InvalidToken(Rejected):
    """There is no such token for this address."""


class TokenUsed(Rejected):
    """The token was used."""


class TokenExpired(Rejected):
    """The token is too old."""


class InitiateSignUp(Command[SignUpInitiated]):
    email: Identifier[str]
    token: str
    at: datetime


class ConfirmSignUp(Command[SignUpConfirmed]):
    email: Identifier[str]
    token: str
    at: datetime


class Confirmation(Boundary, identity="confirmation"):
    until: datetime | None = None
    used: bool = False

    @scope
    def of_token(self, command: InitiateSignUp | ConfirmSignUp) -> Scope:
        return Scope.of(SignUpInitiated, SignUpConfirmed, email=command.email, token=command.token)

    @execute
    def initiate(self, command: InitiateSignUp) -> Iterable[SignUpInitiated]:
        until = command.at + timedelta(hours=1)
        yield SignUpInitiated(email=command.email, token=command.token, until=until)

    @execute
    def confirm(self, command: ConfirmSignUp) -> Iterable[SignUpConfirmed]:
        if self.until is None:
            raise InvalidToken
        if self.used:
            raise TokenUsed
        if command.at > self.until:
            raise TokenExpired
        yield SignUpConfirmed(email=command.email, token=command.token)

    @apply
    def initiated(self, event: SignUpInitiated) -> None:
        self.until = event.until

    @apply
    def confirmed(self, event: SignUpConfirmed) -> None:
        self.used = True


# A price change: an order at the displayed prices, of which none may have changed meanwhile.


class PriceSet(Event):
    product: Tag[str]
    price: int


class Ordered(Event):
    order: Tag[str]
    products: Tag[list[str]]
    total: int


class PriceChanged(Rejected):
    """A price is not the displayed one any more."""


class SetPrice(Command[PriceSet]):
    product: Identifier[str]
    price: int


class Order(Command[Ordered]):
    order: Identifier[str]
    displayed: dict[str, int]


class Shop(Boundary, identity="shop"):
    prices: dict[str, int] = field(default_factory=dict[str, int])

    @scope
    def of_prices(self, command: SetPrice | Order) -> Scope:
        products = [command.product] if isinstance(command, SetPrice) else [*command.displayed]
        found = Scope.of(PriceSet, product=products[0])
        for product in products[1:]:
            found |= Scope.of(PriceSet, product=product)
        return found

    @execute
    def price(self, command: SetPrice) -> Iterable[PriceSet]:
        if self.prices.get(command.product) != command.price:
            yield PriceSet(product=command.product, price=command.price)

    @execute
    def order(self, command: Order) -> Iterable[Ordered]:
        if command.displayed != self.prices:
            raise PriceChanged
        total = sum(command.displayed.values())
        yield Ordered(order=command.order, products=[*command.displayed], total=total)

    @apply
    def was_set(self, event: PriceSet) -> None:
        self.prices[event.product] = event.price

    @apply
    def ordered(self, event: Ordered) -> None:
        """It is in no scope."""


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

examples = Domain("examples", aggregates=[Enrolment, UserName, Invoicing, Confirmation, Shop])
