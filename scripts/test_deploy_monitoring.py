"""What scripts/deploy_monitoring.sh says of bad input, before anything is changed.

The programs that it calls are played by small ones on the PATH, so that nothing but the script and its sentences is tested
here; the stack test runs it against a local AWS.
"""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

AWS = """#!/bin/sh
echo "aws $*" >>"$CALLS"
case "$1 $2" in
  "sts get-caller-identity") echo "123456789012 arn:aws:iam::123456789012:user/ana" ;;
  "lambda get-account-settings") echo 1000 ;;
  *) exit 254 ;;
esac
"""

TERRAFORM = """#!/bin/sh
echo "terraform $*" >>"$CALLS"
case "$*" in
  "version -json") echo '{"terraform_version": "1.9.0"}' ;;
esac
"""

# Fails with a sentence where the arguments are these, and does otherwise what it did.
FAILS = """#!/bin/sh
case "$1 $2" in
  "{call}") echo "{says}" >&2; exit 254 ;;
esac
{rest}"""


class BadInput(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.calls = self.folder / "calls"
        self.calls.touch()
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        # Whatever else the script calls, and neither of the two that are played.
        for name in ["bash", "sh", "python3", "sed", "dirname", "realpath", "mktemp", "rm", "grep", "cat", "wc", "mkdir", "tail"]:
            (self.programs / name).symlink_to(shutil.which(name))
        self.program("aws", AWS)
        self.program("terraform", TERRAFORM)
        self.packages = self.folder / "zips"
        self.packages.mkdir()
        for function in ["monitoring", "incident-response", "actions", "post-mortem"]:
            (self.packages / f"{function}.zip").write_bytes(b"PK")
        # Functions that were added since need a zip as well.
        for manifest in (ROOT / "functions").glob("*/Cargo.toml"):
            (self.packages / f"{manifest.parent.name}.zip").write_bytes(b"PK")
        self.catalogue = ROOT / "monitoring.resolved.json"

    def program(self, name, text):
        program = self.programs / name
        program.write_text(text)
        program.chmod(0o755)

    def deploy(self, *options):
        """Runs the script; returns its exit code and what it said."""
        command = [str(ROOT / "scripts/deploy_monitoring.sh"), "--yes", "--packages", str(self.packages)]
        command += ["--catalogue", str(self.catalogue), *options]
        environment = {"PATH": str(self.programs), "CALLS": str(self.calls), "HOME": str(self.folder)}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        return ran.returncode, ran.stdout + ran.stderr

    def refuses(self, expected, *options, code=1):
        returned, said = self.deploy(*options)
        self.assertEqual(returned, code, said)
        self.assertIn(expected, said)
        self.assertNotIn("Traceback", said)
        calls = self.calls.read_text()
        self.assertNotIn("apply", calls, "nothing was to be changed")
        return calls

    def test_a_sound_one_comes_as_far_as_the_plan(self):
        returned, said = self.deploy("--plan-only")
        self.assertEqual((returned, "Nothing was changed." in said), (0, True), said)
        self.assertIn(" plan ", self.calls.read_text())

    def test_what_is_not_a_region_an_environment_or_an_option(self):
        for option, value, expected in [
            ("--region", "virginia", "'virginia' is not the name of a region"),
            ("--environment", "Staging!", "'Staging!' is not a name"),
            ("--architecture", "riscv", "there is no architecture 'riscv'"),
        ]:
            self.refuses(expected, option, value, code=2)
        self.refuses("unknown option --regoin", "--regoin", code=2)
        self.refuses("--region needs a value", "--region", code=2)
        self.assertEqual(self.calls.read_text(), "", "nobody was asked")

    def test_a_region_that_is_not_there(self):
        says = "Could not connect to the endpoint URL: https://sts.us-east-9.amazonaws.com/"
        self.program("aws", FAILS.format(call="sts get-caller-identity", says=says, rest=AWS))
        self.refuses("there is no AWS at the end of us-east-9", "--region", "us-east-9")

    def test_a_tool_that_is_missing_or_old(self):
        for name, remedy in [("aws", "install the AWS CLI"), ("terraform", "install Terraform")]:
            program = self.programs / name
            kept = program.read_text()
            program.unlink()
            self.refuses(f"{name} is not on the PATH; {remedy}")
            self.program(name, kept)
        self.program("terraform", TERRAFORM.replace("1.9.0", "1.5.7"))
        self.refuses("Terraform is older than 1.9")

    def test_credentials_that_have_expired(self):
        says = "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation: The token has expired"
        self.program("aws", FAILS.format(call="sts get-caller-identity", says=says, rest=AWS))
        calls = self.refuses("AWS does not know these credentials: An error occurred (ExpiredToken)")
        self.assertNotIn(" plan ", calls)

    def test_no_permission_to_look_at_the_limits(self):
        says = "An error occurred (AccessDeniedException) when calling the GetAccountSettings operation"
        self.program("aws", FAILS.format(call="lambda get-account-settings", says=says, rest=AWS))
        self.refuses("check the region, and lambda:GetAccountSettings")

    def test_concurrency_is_set_aside_only_where_the_quota_has_it(self):
        for free, reserves in [("1000", "true"), ("115", "true"), ("114", "false"), ("10", "false")]:
            self.program("aws", AWS.replace("echo 1000", f"echo {free}"))
            self.calls.write_text("")
            returned, said = self.deploy("--plan-only")
            self.assertEqual(returned, 0, said)
            self.assertIn(f"-var=reserve_concurrency={reserves}", self.calls.read_text())
            warns = f"warning: this account has {free} concurrent executions to spare" in said
            self.assertEqual(warns, reserves == "false", said)

    def test_a_table_or_a_function_that_somebody_else_made(self):
        for call, expected in [
            ("dynamodb describe-table", "-staging exists already"),
            ("lambda get-function", "the function ai-nutritionist-comprehensive-monitoring-staging exists already"),
        ]:
            taken = AWS.replace("*) exit", f'"{call}") echo "{{}}" ;;\n  *) exit')
            self.program("aws", taken)
            calls = self.refuses(f"{expected}, and Terraform did not make it", "--environment", "staging")
            self.assertNotIn(" plan ", calls)

    def test_a_log_group_that_a_metric_is_made_of_is_not_there(self):
        made = {"TimedOut /aws/lambda/shop": {"log_group_name": "/aws/lambda/shop"}}
        (self.packages / "deployment.json").write_text(json.dumps({"metric_filters": made}))
        answers = '"logs describe-log-groups") echo "{}" ;;\n  *) exit'
        self.program("aws", AWS.replace("*) exit", answers.format("")))
        self.refuses("there is no log group /aws/lambda/shop, and the catalogue makes a metric of its lines")
        self.program("aws", AWS)
        self.refuses("cannot look for the log group /aws/lambda/shop")
        self.program("aws", AWS.replace("*) exit", answers.format("/aws/lambda/shop")))
        returned, said = self.deploy("--plan-only")
        self.assertEqual(returned, 0, said)
        self.assertIn(f"-var=deployment={self.packages}/deployment.json", self.calls.read_text())

    def test_a_catalogue_that_is_malformed_or_missing(self):
        malformed = self.folder / "catalogue.json"
        for text in ["{", "[]", "{}", "service: ai-nutritionist"]:
            malformed.write_text(text)
            self.catalogue = malformed
            self.refuses(f"{malformed} is not a resolved catalogue")
        malformed.unlink()
        self.refuses("there is no catalogue")

    def test_a_zip_that_is_missing_or_empty(self):
        zip_of_actions = self.packages / "actions.zip"
        zip_of_actions.write_bytes(b"")
        self.refuses("there is no actions.zip in")
        zip_of_actions.unlink()
        self.refuses("there is no actions.zip in")
        # That is deployed only with a signing secret.
        zip_of_actions.write_bytes(b"PK")
        (self.packages / "interactions.zip").unlink(missing_ok=True)
        self.assertEqual(self.deploy("--plan-only")[0], 0)
        shutil.rmtree(self.packages)
        self.refuses("there is no folder")

    def test_a_catalogue_and_no_packages(self):
        command = [str(ROOT / "scripts/deploy_monitoring.sh"), "--catalogue", "x"]
        ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("--catalogue goes with --packages", ran.stderr)

    def test_a_plan_and_an_apply_that_fail(self):
        self.program("terraform", TERRAFORM.replace("esac", '  *" plan "*) exit 1 ;;\nesac'))
        self.refuses("Terraform cannot plan this, for the reason above; nothing was changed")
        self.program("terraform", TERRAFORM.replace("esac", '  *" apply "*) exit 1 ;;\nesac'))
        returned, said = self.deploy()
        self.assertEqual(returned, 1, said)
        self.assertIn("The deployment did not finish.", said)
        self.assertIn("run this command again", said)


if __name__ == "__main__":
    unittest.main()
