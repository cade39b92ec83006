"""Producers of other accounts, with the policy that the template gives its stream. (CloudFormation in the emulator does not know policies of
streams, so the test puts it; IAM and the policy are enforced.)"""

import json
import subprocess

import pytest
from botocore.exceptions import ClientError

import model
from conftest import SIGMA
from emulator import REGION
from local import ROOT
from stack import Stack, shard_records
from transactions import usual

# In the emulator, an access key of 12 digits is the root user of the account with this id, whom no policy stops.
PRODUCER, STRANGER = "111122223333", "444455556666"
STREAM = "shared"


@pytest.fixture(scope="module")
def owner(emulator):
    return Stack(emulator).client("kinesis")


@pytest.fixture(scope="module")
def stream(owner):
    """The ARN of a stream with the template's policy for one producer."""
    owner.create_stream(StreamName=STREAM, ShardCount=1)
    owner.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    arn = owner.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]["StreamARN"]
    written = model.deployed(ProducerAccounts=PRODUCER)["StreamPolicy"]["Properties"]["ResourcePolicy"]
    policy = json.dumps(written).replace(json.dumps({"Fn::GetAtt": ["TransactionStream", "Arn"]}), json.dumps(arn))
    owner.put_resource_policy(ResourceARN=arn, Policy=policy)
    yield arn
    owner.delete_stream(StreamName=STREAM)


@pytest.fixture(scope="module")
def producer(emulator):
    return user_of(emulator, PRODUCER)


def user_of(emulator, account):
    """Keys of a user of an account, whom that account lets do everything with streams."""
    root = {"aws_access_key_id": account, "aws_secret_access_key": account}
    iam, name = Stack(emulator).client("iam", **root), "producer"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="streams", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def test_a_producer_of_a_named_account_puts_by_the_streams_arn(emulator, owner, stream, producer):
    [(key, data)] = usual("abroad", 1)
    Stack(emulator).client("kinesis", **producer).put_record(StreamARN=stream, PartitionKey=key, Data=data)
    [shard] = owner.list_shards(StreamName=STREAM)["Shards"]
    assert [found["Data"].decode() for found in shard_records(owner, STREAM, shard["ShardId"])] == [data]


def test_sigma_sends_from_a_named_account(emulator, owner, stream, producer, tmp_path):
    records = usual("sent-from-abroad", 5)
    file = tmp_path / "transactions.jsonl"
    file.write_text("".join(data + "\n" for _, data in records))
    keys = {name.upper(): value for name, value in producer.items()}
    command = [SIGMA, "send", "--stream", stream, "--region", REGION, "--from", file]
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=emulator.environment() | keys, capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [shard] = owner.list_shards(StreamName=STREAM)["Shards"]
    found = [found["Data"].decode() for found in shard_records(owner, STREAM, shard["ShardId"])]
    assert found[-5:] == [data for _, data in records]


def test_an_account_that_is_not_named_is_refused(emulator, stream):
    with pytest.raises(ClientError, match="AccessDenied"):
        Stack(emulator).client("kinesis", **user_of(emulator, STRANGER)).put_record(StreamARN=stream, PartitionKey="k", Data=b"{}")


def test_a_producer_may_not_read(emulator, stream, producer):
    with pytest.raises(ClientError, match="AccessDenied"):
        Stack(emulator).client("kinesis", **producer).get_shard_iterator(
            StreamARN=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON",
        )
