"""Wrong options, policies, limits and earlier models of tasks, as people from other libraries would type them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta, timezone

from pydantic import BaseModel

from stem import Limit, Queue, Rate, RetryPolicy, TaskContext, Unique, task


class Order(BaseModel):
    id: str
    tenant: str
    total: int


class OrderV1(BaseModel):
    id: str

    def upgrade(self) -> Order:
        return Order(id=self.id, tenant="acme", total=0)


class OrderV2(BaseModel):
    id: str


class OrderV3(BaseModel):
    id: str

    def upgrade(self, tenant: str) -> Order:
        return Order(id=self.id, tenant=tenant, total=0)


class OrderV4(BaseModel):
    id: str

    async def upgrade(self) -> Order:
        return Order(id=self.id, tenant="acme", total=0)


class OrderV5(BaseModel):
    id: str

    def upgrade(self) -> dict[str, object]:
        return {"id": self.id, "tenant": "acme", "total": 0}


class OrderV6(BaseModel):
    id: str

    @property
    def upgrade(self) -> Order:
        return Order(id=self.id, tenant="acme", total=0)


class Declined(Exception): ...


def from_first(old: OrderV2) -> Order:
    return Order(id=old.id, tenant="acme", total=0)


def on_failure(ctx: TaskContext, error: BaseException) -> None: ...


def by_tenant(order: Order) -> str:
    return order.tenant


NOW = datetime.now(timezone.utc)

# ---------------------------------------------------------------- habits of Celery, Prefect, Temporal, Hatchet, DBOS

task("celery.bind", bind=True)  # E: a handler is bound to nothing; the context is a parameter
task("celery.autoretry", autoretry_for=(ConnectionError,))  # E: errors worth a retry belong to the policy
task("celery.late", acks_late=True)  # E: every job is acknowledged late
task("celery.expires_at", expires=NOW)  # E: an expiry is a span, not an instant
task("celery.queues", queue=("mail", "mail-slow"))  # E: a task has one queue
task("celery.queue_object", queue=Queue("mail"))  # E: a queue is named by text
task("prefect.retries", retries=3, retry_delay_seconds=10)  # E: misnamed retries
task("prefect.delays", retry=[1, 10, 100])  # E: a list of waits is no policy
task("prefect.tags", tags={"mail": "slow"}.items())  # E: tags are words, not pairs
task("prefect.hook", on_failure=[on_failure])  # E: a task has no hooks
task("temporal.timeout", start_to_close_timeout=timedelta(seconds=30))  # E: misnamed limit of an attempt
task("hatchet.rates", rate_limit=[Rate("10/s"), Rate("100/m")])  # E: one rate, not a list
task("hatchet.concurrency", concurrency={"max_runs": 3, "key": "tenant"})  # E: a limit is no dict
task("dbos.pairs", concurrency=(3, "tenant"))  # E: a limit with a key is a Limit
task("dbos.rate", rate_limit={"limit": 50, "period": 30})  # E: a rate is no dict
task("huey.cron", crontab="0 5 * * *")  # E: no schedule in a declaration

# ---------------------------------------------------------------- the option takes the thing, not its class or its maker

task("class.policy", retry=RetryPolicy)  # E: the class of policies
task("class.maker", retry=RetryPolicy.exponential)  # E: the maker of a policy, not called
task("class.rate", rate_limit=Rate)  # E: the class of rates
task("class.limit", concurrency=Limit)  # E: the class of limits
task("class.unique", unique=Unique)  # E: the class of rules
task("class.error", retry=ConnectionError)  # E: an error is no policy
task("value.semaphore", concurrency=asyncio.Semaphore(3))  # E: a semaphore is of one process
task("value.minutes", visibility_timeout=(5, "m"))  # E: a span is no pair
task("value.retries", max_retries=float("inf"))  # E: retries cannot be infinite
task("value.retries_policy", max_retries=RetryPolicy.fixed("5s"))  # E: the policy where the number belongs
task("value.isolate", isolate="process")  # E: isolation is a switch
task("value.idempotent", idempotent="order_id")  # E: idempotent is said with True or False
task("value.stub", stub=Order)  # E: a stub is a name
task("value.attributes", attributes={"owners": ["ann", "bob"]})  # E: an attribute is no list
task("value.attributes_none", attributes={"since": None})  # E: an attribute is not None
task("value.attributes_dates", attributes={"since": NOW})  # E: an attribute is no instant
task("value.attributes_keys", attributes={1: "first"})  # E: attributes have names
task("value.attributes_pairs", attributes=[("team", "billing")])  # E: attributes are a mapping, not pairs
task("value.attributes_words", attributes="team=billing")  # E: attributes are a mapping, not a line
task("value.ignore", ignore_result=None)  # E: a switch is True or False
task("value.description", description=("one line", "another"))  # E: a description is one text
task(name="named.twice", func=by_tenant)  # E: the handler is decorated, not given
task(b"bytes.name")  # E: a name is text, not bytes
task(f"name.{Order}", Order)  # E: the model is read from the handler, not given

# ---------------------------------------------------------------- earlier models

task("accepts.one", accepts=OrderV1)  # E: one model where a list belongs
task("accepts.instance", accepts=[OrderV1(id="1")])  # E: an instance instead of its class
task("accepts.bare", accepts=[OrderV2])  # E: an earlier model without upgrade()
task("accepts.pair", accepts=[(OrderV2, from_first)])  # E: a model with a function beside it
task("accepts.dict", accepts={OrderV2: from_first})  # E: the upgrade is a method of the model
task("accepts.function", accepts=[from_first])  # E: a function that upgrades, instead of the model
task("accepts.argument", accepts=[OrderV3])  # E: upgrade() that wants more than the model
task("accepts.coroutine", accepts=[OrderV4])  # E: upgrade() that has to be awaited
task("accepts.raw", accepts=[OrderV5])  # E: upgrade() that gives a dict
task("accepts.property", accepts=[OrderV6])  # E: upgrade is a property, not a method
task("accepts.names", accepts=["OrderV1"])  # E: a model is not named by text
task("accepts.schema", accepts=[1])  # E: a version is no model

# ---------------------------------------------------------------- policies

RetryPolicy()  # E: a policy is made by exponential or fixed
RetryPolicy.exponential(retry_on=lambda error: True)  # E: a condition is no error
RetryPolicy.exponential(retry_on=None)  # E: every error is said by leaving it out
RetryPolicy.exponential(give_up_on=Declined("card"))  # E: an instance instead of its class, alone
RetryPolicy.exponential(give_up_on=Order)  # E: a model is no error
RetryPolicy.exponential(give_up_on={Declined: 0, 404: 1})  # E: a status is no error
RetryPolicy.fixed("5s", "10s")  # E: one wait, not several
RetryPolicy.fixed(lambda attempt: attempt * 2)  # E: a wait is no function
RetryPolicy.fixed(None)  # E: no wait is "0s"
RetryPolicy.none()  # E: no retries are said by max_retries=0
RetryPolicy.fixed("5s") | RetryPolicy.exponential()  # E: policies are not joined

# ---------------------------------------------------------------- rates, limits, rules

Rate("10/s", 5)  # E: the second is the key; the burst is named
Rate("10/s", key=by_tenant)  # E: a key is the name of a field, not a function
Rate("10/s", burst=1.5)  # E: the burst is a whole number
Limit(3, by_tenant)  # E: a function where a field is named
Limit(key="tenant")  # E: the count is missing
Limit("3/tenant")  # E: the rate's way of writing it
Unique(key=by_tenant)  # E: a key is the name of a field, once more
Unique(until=timedelta(hours=1))  # E: a span is said by for_
Unique(for_=NOW)  # E: a span, not an instant
Unique(conflict=ValueError)  # E: the conflict is a word, not an error
Unique(key=("id", "tenant"))  # E: a key of two fields
Rate("10/s").burst = 5  # E: a rate cannot be changed
Limit(2).count += 1  # E: a limit cannot be changed
count: Counter[str] = Limit(2, key="tenant")  # E: a limit does not count by itself

# ---------------------------------------------------------------- queues

Queue()  # E: a queue has a name
Queue("mail", 5)  # E: the priority is given by name
Queue("mail", retry=3)  # E: a number is no policy of a queue
Queue(["mail", "slow"])  # E: one name
