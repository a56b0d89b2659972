import subprocess
import sys

import pytest
import torch
from atelier import optimisers
from atelier.optimisers import Muon, matrices_of, orthogonalised
from torch import nn

FORMATS = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


def matrix(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@FORMATS
@pytest.mark.parametrize("shape", [(3, 32, 96), (3, 96, 32), (1, 48, 48)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape, dtype):
    matrices = matrix(*shape)
    found = orthogonalised(matrices.to(dtype))
    assert (found.shape, found.dtype) == (shape, dtype)
    found = found.float()
    u, s, vh = torch.linalg.svd(matrices, full_matrices=False)
    turned = u.mT @ found @ vh.mT  # diagonal if the singular vectors stayed
    values = turned.diagonal(dim1=1, dim2=2)
    small = s / s.norm(dim=1, keepdim=True) < 0.01  # below this five iterations do not reach one
    assert ((values > 0.6) | small).all()
    assert (values < 1.3).all()
    assert (turned - torch.diag_embed(values)).abs().max() < 0.05


def test_the_update_does_not_depend_on_the_size_of_the_gradient_nor_on_the_company():
    a, b = matrix(1, 32, 64, seed=1), matrix(1, 32, 64, seed=2)
    alone = orthogonalised(a)
    assert torch.allclose(orthogonalised(1000 * a), alone, atol=1e-4)
    assert torch.allclose(orthogonalised(torch.cat([a, b]))[:1], alone, atol=1e-5)


def test_many_matrices_move_in_several_lots_as_in_one(monkeypatch):
    start, gradients = [matrix(32, 40, seed=k) for k in range(5)], [matrix(32, 40, seed=9 + k) for k in range(5)]
    moved = []
    for together in (5, 2, 1):
        monkeypatch.setattr(optimisers, "MOST_TOGETHER", together * 32 * 40)
        parameters = [nn.Parameter(p.clone()) for p in start]
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = gradient.clone()
        Muon(parameters, lr=0.1).step()
        moved.append(torch.stack([p.detach() for p in parameters]))
    assert torch.allclose(moved[0], moved[1], atol=1e-5)
    assert torch.allclose(moved[0], moved[2], atol=1e-5)


def test_a_zero_gradient_moves_nothing():
    parameter = nn.Parameter(matrix(32, 32))
    before, parameter.grad = parameter.detach().clone(), torch.zeros(32, 32)
    Muon([parameter], lr=0.1).step()
    assert torch.equal(parameter, before)


@FORMATS
def test_a_step_is_that_of_torchs_muon_and_a_kernel_moves_as_its_matrix(dtype):
    start, gradients = matrix(32, 36, seed=3), [matrix(32, 36, seed=k) for k in (4, 5, 6)]
    ours, theirs, kernel = (nn.Parameter(start.clone()) for _ in range(3))
    kernel = nn.Parameter(start.clone().view(32, 4, 3, 3))
    reference = torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    mine = Muon([ours, kernel], lr=0.01, weight_decay=0.1, bfloat16=dtype == torch.bfloat16)
    for gradient in gradients:
        ours.grad, theirs.grad, kernel.grad = gradient.clone(), gradient.clone(), gradient.view(32, 4, 3, 3).clone()
        mine.step()
        reference.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.02 * moved  # torch's is always in bfloat16
    assert torch.allclose(kernel.flatten(1), ours, atol=1e-4)


def test_an_update_has_the_root_mean_square_of_adamws():
    parameter = nn.Parameter(torch.zeros(64, 32, 3, 3))
    parameter.grad = matrix(64, 32, 3, 3)
    Muon([parameter], lr=1.0).step()
    size = float(parameter.detach().square().mean().sqrt())
    assert 0.7 * 0.2 < size < 1.2 * 0.2  # singular values end between 0.7 and 1.2


def test_takes_the_wide_matrices_and_kernels_alone():
    network = nn.ModuleDict(
        {
            "pixels": nn.Conv2d(4, 48, 3),
            "hidden": nn.Conv2d(48, 64, 3),
            "up": nn.ConvTranspose2d(64, 32, 2),
            "norm": nn.GroupNorm(8, 48),
            "labels": nn.Linear(11, 64),
            "mix": nn.Linear(64, 96),
            "long": nn.Linear(1024, 256),
            "widest": nn.Linear(300, 257),
        }
    )
    taken = {id(p) for p in matrices_of(network)}
    assert {name for name, p in network.named_parameters() if id(p) in taken} == {
        "hidden.weight",
        "up.weight",
        "mix.weight",
        "long.weight",
    }


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_ours_moves_as_torchs(name):
    moved = []
    for kind in (getattr(optimisers, name), getattr(torch.optim, name)):
        p = nn.Parameter(matrix(4, 5))
        optimiser = kind([p], lr=0.1, weight_decay=0.01)
        for k in range(3):
            optimiser.zero_grad()
            (matrix(4, 5, seed=k) * p.square()).sum().backward()
            optimiser.step()
        moved.append(p.detach())
        restored = kind([p])
        restored.load_state_dict(optimiser.state_dict())
        assert restored.state[p]["step"] == 3
    assert torch.equal(*moved)


def test_no_optimiser_imports_the_compiler():
    program = """if True:
        import sys, torch
        from atelier.optimisers import Adam, AdamW, Muon
        p = torch.nn.Parameter(torch.ones(32, 32))
        for kind in (Adam, AdamW, Muon):
            optimiser = kind([p])
            optimiser.zero_grad()
            p.square().sum().backward()
            optimiser.step()
            optimiser.load_state_dict(optimiser.state_dict())
        sys.exit("torch._dynamo" in sys.modules)
    """
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
